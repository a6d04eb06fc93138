/**
 * The real world behind the ports: the clock, chance, and the log of the process.
 *
 * Boundary: the only file that binds the ports of the node to Node.js itself; the simulator has its
 * own. Results go to stdout, so the log goes to stderr, one JSON line each.
 */

import { randomUUID } from 'node:crypto';
import { pino, stdTimeFunctions } from 'pino';
import type { Clock, Logger, Random } from '../ports.ts';

export const realClock: Clock = {
  now: () => Date.now(),
  monotonicMs: () => performance.now(),
  after: (delayMs, task) => {
    const timer = setTimeout(task, delayMs);
    return () => clearTimeout(timer);
  },
};

export const realRandom: Random = {
  next: () => Math.random(),
  uuid: () => randomUUID(),
};

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** What waits for a reader of stderr at most; about a thousand lines. */
const LOG_WAITING_BYTES_MAX = 256 * 1024;

/**
 * Lines go to stderr at once while somebody takes them, so that the last words of a failing process are
 * not lost. Where nobody reads the pipe, they wait up to a limit, and what is over it is dropped: the
 * node goes on, and says how many lines are missing once it is read again.
 */
export function stderrLogger(level: LogLevel, node: string): Logger {
  const out = pino(
    {
      level,
      base: { node },
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    new BoundedLogStream(process.stderr, (count) => out.warn({ count }, 'log lines dropped')),
  );
  return {
    debug: (message, fields) => out.debug(fields ?? {}, message),
    info: (message, fields) => out.info(fields ?? {}, message),
    warn: (message, fields) => out.warn(fields ?? {}, message),
    error: (message, fields) => out.error(fields ?? {}, message),
  };
}

/** Never blocks and never fails, unlike a synchronous write to a pipe that is full or closed. */
class BoundedLogStream {
  readonly #stream: NodeJS.WriteStream;
  readonly #onResumed: (dropped: number) => void;
  #dropped = 0;

  constructor(stream: NodeJS.WriteStream, onResumed: (dropped: number) => void) {
    this.#stream = stream;
    this.#onResumed = onResumed;
    // A reader that went away ends no node.
    stream.on('error', () => undefined);
    stream.on('drain', () => this.#resume());
  }

  write(line: string): void {
    if (this.#stream.destroyed || this.#stream.writableLength > LOG_WAITING_BYTES_MAX) {
      this.#dropped++;
      return;
    }
    this.#stream.write(line);
  }

  #resume(): void {
    const dropped = this.#dropped;
    this.#dropped = 0;
    if (dropped > 0) this.#onResumed(dropped);
  }
}

/** The ports of the system that most parts of the daemon take together. */
export const SYSTEM_PORTS = { clock: realClock, random: realRandom } as const;
