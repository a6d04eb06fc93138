/**
 * One member: a process of this program, begun again with the same command line whenever it shall.
 *
 * Promise: a process that ends although nobody ended it is remembered with its code. What the
 * processes say goes to one file for each member.
 */

import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export interface MemberPlace {
  readonly name: string;
  /** HOST:PORT each. */
  readonly http: string;
  readonly peer: string;
  readonly carbon: string;
  /** The host at which the others reach its peer port; null for that on which it listens. */
  readonly advertise: string | null;
  /** The member to which it comes; null for the one that begins the cluster. */
  readonly join: string | null;
}

/** A process that ended, and nobody had ended it. */
export interface OwnEnd {
  readonly name: string;
  /** The exit code, or the signal. */
  readonly how: string;
}

export interface MemberModules {
  readonly directory: string;
  readonly config: string;
  /** Told of each process that begins, and with undefined when it has ended. */
  readonly watch: (name: string, pid?: number) => void;
  readonly onOwnEnd: (end: OwnEnd) => void;
}

const MAIN = fileURLToPath(new URL('../main.js', import.meta.url));

/** After so long a SIGTERM was not obeyed. */
const STOP_LIMIT_MS = 20_000;

export class Member {
  readonly place: MemberPlace;
  readonly dataDirectory: string;
  readonly logFile: string;
  readonly #modules: MemberModules;
  #child: ChildProcess | null = null;
  #isEnding = false;

  constructor(place: MemberPlace, modules: MemberModules) {
    this.place = place;
    this.#modules = modules;
    this.dataDirectory = path.join(modules.directory, place.name);
    this.logFile = path.join(modules.directory, `${place.name}.log`);
  }

  get name(): string {
    return this.place.name;
  }

  get isAlive(): boolean {
    return this.#child !== null;
  }

  start(): void {
    if (this.#child !== null) return;
    const log = openSync(this.logFile, 'a');
    // A group of its own: Ctrl-C on the terminal is for the command, which then heals the cluster.
    const child = spawn(process.execPath, [MAIN, ...this.#arguments()], {
      stdio: ['ignore', log, log],
      detached: true,
      env: ownEnvironment(),
    });
    closeSync(log);
    this.#child = child;
    this.#isEnding = false;
    this.#modules.watch(this.name, child.pid);
    child.on('error', () => undefined);
    child.on('exit', (code, signal) => {
      this.#child = null;
      this.#modules.watch(this.name);
      if (this.#isEnding) return;
      this.#modules.onOwnEnd({ name: this.name, how: signal ?? `exit code ${code}` });
    });
  }

  /** `kill -9`, and waits until it is dead. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  /** SIGTERM, and waits for the end; false when it took too long and was killed. */
  async stop(): Promise<boolean> {
    const child = this.#child;
    if (child === null) return true;
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      child.kill('SIGKILL');
    }, STOP_LIMIT_MS);
    await this.#end('SIGTERM');
    clearTimeout(timer);
    return !isLate;
  }

  /** Freezes it, as a machine that swaps or a virtual one that is moved. */
  freeze(): void {
    this.#child?.kill('SIGSTOP');
  }

  thaw(): void {
    this.#child?.kill('SIGCONT');
  }

  /** For the last moment, in which nothing can be waited for. */
  killNow(): void {
    this.#isEnding = true;
    this.#child?.kill('SIGKILL');
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (child === null) return;
    this.#isEnding = true;
    const exit = once(child, 'exit');
    child.kill(signal);
    await exit;
  }

  #arguments(): readonly string[] {
    const { name, http, peer, carbon, advertise, join } = this.place;
    const args = ['start', '--config', this.#modules.config, '--data-dir', this.dataDirectory];
    args.push('--name', name, '--http', http, '--peer', peer, '--carbon', carbon);
    if (advertise !== null) args.push('--advertise', advertise);
    if (join !== null) args.push('--join', join);
    return args;
  }
}

/** Without the variables that stand for flags: those of the command are not those of its members. */
function ownEnvironment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !name.startsWith('TOCSIN_'));
  return Object.fromEntries(kept);
}
