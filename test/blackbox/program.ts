/**
 * Runs the real program as its users do: a child process, a configuration file, sockets.
 *
 * What is started is killed at the end of the test. Waiting is for a condition, never for a time;
 * the test's own time-out is the only clock.
 */

import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { onTestFailed, onTestFinished } from 'vitest';

const ROOT = path.resolve(import.meta.dirname, '../..');
const MAIN = path.join(ROOT, 'dist/io/cli/main.js');

/** How the program is called where a shell or `env` calls it. */
export const PROGRAM = [process.execPath, MAIN];

/**
 * Another build of the program: the same code, with some constants of its fold set otherwise. Gives
 * back its main file.
 */
export async function buildWith(
  version: string,
  reducers: { readonly REDUCERS_MAX: number; readonly REDUCERS_WANTED: number },
): Promise<string> {
  const folder = await scratch();
  await cp(path.join(ROOT, 'dist'), path.join(folder, 'dist'), { recursive: true });
  await symlink(path.join(ROOT, 'node_modules'), path.join(folder, 'node_modules'));
  const manifest = await readFile(path.join(ROOT, 'package.json'), 'utf8');
  await writeFile(
    path.join(folder, 'package.json'),
    JSON.stringify({ ...(JSON.parse(manifest) as object), version }),
  );
  const file = path.join(folder, 'dist/projections/reducers.js');
  let code = await readFile(file, 'utf8');
  for (const [name, value] of Object.entries(reducers)) {
    const line = new RegExp(`export const ${name} = \\d+;`);
    if (!line.test(code)) throw new Error(`no ${name} in ${file}`);
    code = code.replace(line, `export const ${name} = ${value};`);
  }
  await writeFile(file, code);
  return path.join(folder, 'dist/io/cli/main.js');
}

/** A folder that is gone after the test. */
export async function scratch(): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'tocsin-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a subcommand to its end. */
export async function tocsin(...args: readonly string[]): Promise<Finished> {
  return finished(spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] }));
}

/** Runs any program to its end; `input` is what it reads. */
export async function command(program: string, ...args: readonly string[]): Promise<Finished> {
  return finished(spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] }));
}

async function finished(child: ChildProcess): Promise<Finished> {
  let stdout = '';
  let stderr = '';
  child.stdout?.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr?.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, stdout, stderr };
}

export interface Addresses {
  readonly http: string;
  readonly peer: string;
  readonly carbon: string;
}

export class Daemon {
  readonly addresses: Addresses;
  readonly process: ChildProcess;
  readonly log: string[];

  constructor(addresses: Addresses, child: ChildProcess, log: string[]) {
    this.addresses = addresses;
    this.process = child;
    this.log = log;
  }

  url(path: string): string {
    return `http://${this.addresses.http}${path}`;
  }

  async get(path: string): Promise<unknown> {
    return (await fetch(this.url(path))).json();
  }

  post(path: string, body: unknown): Promise<Response> {
    return fetch(this.url(path), { method: 'POST', body: JSON.stringify(body) });
  }

  /** Sends carbon lines as `nc` does: connects, writes, closes. */
  async carbon(lines: string): Promise<void> {
    const { host, port } = hostPort(this.addresses.carbon);
    const socket = connect(port, host);
    socket.end(lines);
    await once(socket, 'close');
  }

  /** Ends it and waits for the end. */
  async kill(signal: NodeJS.Signals): Promise<number | null> {
    if (this.process.exitCode !== null) return this.process.exitCode;
    const exit = once(this.process, 'exit');
    this.process.kill(signal);
    const [code] = (await exit) as [number | null];
    return code;
  }
}

export interface StartOptions {
  readonly config: string;
  readonly dataDir: string;
  readonly flags?: readonly string[];
  readonly name?: string;
  /** Another build of the program. */
  readonly main?: string;
  /** That of the shell that starts it, such as `000`. */
  readonly umask?: string;
  /** Beside the environment of the test. */
  readonly env?: Readonly<Record<string, string>>;
}

/** Starts a daemon on free ports and waits for its `listening` line. */
export async function start(options: StartOptions): Promise<Daemon> {
  const child = spawnDaemon(options);
  const log: string[] = [];
  // What its daemons have said is all that is left of a story that went wrong elsewhere.
  onTestFailed(() => console.error(`${options.dataDir}\n${log.slice(-40).join('\n')}`));
  const lines = createInterface({ input: child.stderr as NodeJS.ReadableStream });
  const listening = new Promise<Addresses>((resolve, reject) => {
    lines.on('line', (line) => {
      log.push(line);
      if (line.includes('"msg":"listening"')) resolve(JSON.parse(line) as Addresses);
    });
    child.on('exit', (code) => reject(new Error(`ended with ${code}:\n${log.join('\n')}`)));
  });
  return new Daemon(await listening, child, log);
}

/** Starts a daemon that is expected to refuse. */
export async function refused(options: StartOptions): Promise<Finished> {
  return finished(spawnDaemon(options));
}

function spawnDaemon(options: StartOptions): ChildProcess {
  const { config, dataDir, flags = [], main = MAIN, name: node = 'n1', umask } = options;
  const free = ['http', 'peer', 'carbon'].flatMap((name) => [`--${name}`, '127.0.0.1:0']);
  const args = [main, 'start', '--config', config, '--data-dir', dataDir, '--name', node];
  const call = [process.execPath, ...args, ...free, ...flags];
  const shell = umask === undefined ? [] : ['sh', '-c', `umask ${umask}; exec "$0" "$@"`];
  const [program = '', ...rest] = [...shell, ...call];
  const child = spawn(program, rest, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...options.env },
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  return child;
}

export async function configFile(folder: string, text: string): Promise<string> {
  const file = path.join(folder, 'tocsin.yml');
  await writeFile(file, text);
  return file;
}

export interface Page {
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly status: 'firing' | 'resolved';
  readonly receiver: string;
  readonly notification_reason: string;
  readonly groupLabels: Readonly<Record<string, string>>;
  readonly alerts: readonly {
    readonly status: 'firing' | 'resolved';
    readonly labels: Readonly<Record<string, string>>;
    readonly annotations: Readonly<Record<string, string>>;
  }[];
}

/** A webhook receiver that keeps what it gets. */
export class Receiver {
  readonly pages: Page[] = [];
  readonly url: string;
  /** What to answer next; 200 when nothing is scripted. */
  readonly answers: number[] = [];

  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    server.on('request', (request, response) => {
      let body = '';
      request.on('data', (chunk: Buffer) => (body += chunk.toString()));
      request.on('end', () => {
        this.pages.push({ ...(JSON.parse(body) as Page), headers: request.headers });
        response.writeHead(this.answers.shift() ?? 200).end();
      });
    });
  }

  static async listen(): Promise<Receiver> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    onTestFinished(() => {
      server.closeAllConnections();
      server.close();
    });
    return new Receiver(server);
  }

  /** Nobody listens there any more. */
  async close(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }
}

/** Waits until something holds. The limit is the test's own time-out. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 25));
}

/** A member of a cluster as another one shows it. */
export interface Member {
  readonly name: string;
  readonly peerAddress: string;
  readonly role: string;
}

export async function members(daemon: Daemon): Promise<readonly Member[]> {
  return (await daemon.get('/tocsin/v1/members')) as readonly Member[];
}

export async function isReady(daemon: Daemon): Promise<boolean> {
  return (await fetch(daemon.url('/-/ready'))).status === 200;
}

/**
 * Waits until each of them is ready, shows them all, and all of them vote. One whose name and address
 * are not in the log yet could be replaced by nobody if it died now.
 */
export async function together(daemons: readonly Daemon[]): Promise<void> {
  for (const daemon of daemons) {
    await until(async () => {
      const seen = await members(daemon);
      const votes = seen.every(({ role }) => role === 'leader' || role === 'follower');
      const isKnown = seen.every(({ peerAddress }) => peerAddress !== '');
      return seen.length === daemons.length && votes && isKnown && (await isReady(daemon));
    });
  }
}

/** Whether a program of somebody else is there; `npm test` fetches what it can. */
export async function has(program: string): Promise<boolean> {
  return (await command('sh', '-c', `command -v ${program}`)).code === 0;
}

function hostPort(address: string): { host: string; port: number } {
  const at = address.lastIndexOf(':');
  return { host: address.slice(0, at), port: Number(address.slice(at + 1)) };
}
