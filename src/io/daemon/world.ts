/**
 * The real world behind the ports: the clock, chance, and the log of the process.
 *
 * Boundary: the only file that binds the ports of the node to Node.js itself; the simulator has its
 * own. Results go to stdout, so the log goes to stderr, one JSON line each.
 */

import { randomUUID } from 'node:crypto';
import { destination, pino, stdTimeFunctions } from 'pino';
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

/** Writes synchronously, so that the last words of a failing process are not lost. */
export function stderrLogger(level: LogLevel, node: string): Logger {
  const out = pino(
    {
      level,
      base: { node },
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    destination({ dest: 2, sync: true }),
  );
  return {
    debug: (message, fields) => out.debug(fields ?? {}, message),
    info: (message, fields) => out.info(fields ?? {}, message),
    warn: (message, fields) => out.warn(fields ?? {}, message),
    error: (message, fields) => out.error(fields ?? {}, message),
  };
}
