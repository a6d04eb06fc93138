/** Log lines that a client can cause: each message at most once in ten seconds. */

import type { HttpModules } from './modules.ts';

const WARN_EVERY_MS = 10_000;

export type Warn = (message: string, fields: Readonly<Record<string, unknown>>) => void;

/** The messages are texts of ours, so there is a bounded number of them. */
export function rarely({ clock, logger }: Pick<HttpModules, 'clock' | 'logger'>): Warn {
  const warnedAtMs = new Map<string, number>();
  return (message, fields) => {
    const nowMs = clock.monotonicMs();
    if (nowMs - (warnedAtMs.get(message) ?? -Infinity) < WARN_EVERY_MS) return;
    warnedAtMs.set(message, nowMs);
    logger.warn(message, fields);
  };
}
