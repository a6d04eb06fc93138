/**
 * Wakes up when something is due and proposes it: the passing of time, decisions, attempts.
 *
 * Promise: nothing due, nothing appended; one turn at a time, so that it never decides on a state
 * which lacks its last decision. Each command is a proposal of its own, so that a refused one holds
 * up none of the others.
 */

import type { Command } from '../../commands/command.ts';
import type { LocalTimeIn } from '../../projections/muting.ts';
import {
  nextCommands,
  nextWakeAt,
  owesSignOfLife,
  type NextOptions,
} from '../../projections/next-commands.ts';
import type { State } from '../../projections/state.ts';
import type { Clock, Logger, Proposed } from '../ports.ts';
import type { Sender } from './sender.ts';

/** Longest sleep: a timer may not be set much further ahead, and waking is free. */
const SLEEP_MS_MAX = 3_600_000;
/** Pause after a turn of which nothing was taken: a stop is under way, or it makes no sense. */
const REFUSED_PAUSE_MS = 100;

export interface DeciderOptions {
  /** The name of the node, which the attempts carry. */
  readonly node: string;
  /** Integration types that this build can send. */
  readonly senders: ReadonlySet<string>;
}

export interface DeciderModules {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly localTimeIn: LocalTimeIn;
  readonly state: () => State;
  readonly sender: Sender;
  /** The time of the last entry. */
  readonly appliedAt: () => number;
  /** The time that an entry proposed now would carry. */
  readonly now: () => number;
  readonly propose: (commands: readonly Command[]) => Promise<Proposed>;
}

export class Decider {
  readonly #options: DeciderOptions;
  readonly #modules: DeciderModules;
  #phase: 'waiting' | 'running' | 'stopped' = 'waiting';
  #isProposing = false;
  /** No flush before this time. */
  #holdUntil = 0;
  #cancelSleep: () => void = () => undefined;

  constructor(options: DeciderOptions, modules: DeciderModules) {
    this.#options = options;
    this.#modules = modules;
  }

  /** Begins to decide; flushes are held for `delayMs`. */
  start(delayMs: number): void {
    if (this.#phase === 'stopped') return;
    this.#phase = 'running';
    this.#holdUntil = this.#modules.now() + delayMs;
    this.wake();
  }

  /** Another leads: decides nothing until it is started again. */
  pause(): void {
    if (this.#phase === 'running') this.#phase = 'waiting';
    this.#cancelSleep();
  }

  /** For good. */
  stop(): void {
    this.#phase = 'stopped';
    this.#cancelSleep();
  }

  /** Looks at what is due: called after every applied entry, and by its own timer. */
  wake(): void {
    if (this.#phase !== 'running' || this.#isProposing) return;
    this.#cancelSleep();
    const now = this.#modules.now();
    const state = this.#modules.state();
    const options = this.#nextOptions();
    const commands = nextCommands(state, now, options);
    if (commands.length > 0) void this.#propose(commands);
    else this.#sleep(nextWakeAt(state, now, options) - now);
  }

  /** Called with every tick, which wakes the process anyway. */
  tick(): void {
    const { appliedAt, now, state } = this.#modules;
    if (owesSignOfLife(state(), now(), appliedAt())) this.wake();
  }

  #nextOptions(): NextOptions {
    const { appliedAt, localTimeIn, sender } = this.#modules;
    const holdUntil = this.#holdUntil;
    const underWay = sender.underWay();
    return { ...this.#options, localTimeIn, underWay, appliedAt: appliedAt(), holdUntil };
  }

  async #propose(commands: readonly Command[]): Promise<void> {
    this.#isProposing = true;
    const taken = await Promise.all(commands.map((command) => this.#proposeOne(command)));
    this.#isProposing = false;
    if (taken.includes(true)) this.wake();
    else this.#sleep(REFUSED_PAUSE_MS);
  }

  async #proposeOne(command: Command): Promise<boolean> {
    const { logger, propose, sender } = this.#modules;
    const result = await propose([command]);
    if (result.ok && command.kind === 'attempt') sender.start(command);
    if (!result.ok && result.code === 'malformed') {
      logger.error('decision refused', { kind: command.kind, problem: result.message });
    }
    return result.ok;
  }

  #sleep(waitMs: number): void {
    if (this.#phase !== 'running') return;
    this.#cancelSleep();
    if (waitMs === Infinity) return;
    const task = (): void => this.wake();
    this.#cancelSleep = this.#modules.clock.after(Math.min(waitMs, SLEEP_MS_MAX), task);
  }
}
