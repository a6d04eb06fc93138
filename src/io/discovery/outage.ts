/**
 * Says in the log that etcd is away, and that it is back: once each, however many activities
 * notice, and however often they try.
 */

import type { Clock, Logger } from '../ports.ts';

/** One thing that talks with etcd from time to time. */
export interface Activity {
  readonly failed: (error: unknown) => void;
  readonly worked: () => void;
  /** Whatever comes of what is still under way says nothing of etcd any more. */
  readonly ended: () => void;
}

export interface OutageModules {
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Gives each caller an activity of its own; etcd is away while any of them fails. */
export function outageLog(
  hosts: readonly string[],
  { clock, logger }: OutageModules,
): () => Activity {
  const failing = new Set<Activity>();
  let sinceMs = 0;
  return () => {
    let isEnded = false;
    const activity: Activity = {
      failed: (error) => {
        if (isEnded) return;
        if (failing.size === 0) {
          sinceMs = clock.monotonicMs();
          const effect = 'the cluster goes on; new nodes cannot find it until etcd is back';
          logger.warn('etcd away', { urls: hosts, error: problemOf(error), effect });
        }
        failing.add(activity);
      },
      worked: () => {
        if (!failing.delete(activity) || failing.size > 0) return;
        const awayMs = Math.round(clock.monotonicMs() - sinceMs);
        logger.info('etcd back', { urls: hosts, awayMs });
      },
      ended: () => {
        isEnded = true;
        failing.delete(activity);
      },
    };
    return activity;
  };
}

/** What went wrong, without the codes and times that gRPC puts around it. */
export function problemOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message
    .replace(/^\d+ [A-Z_]+: /, '')
    .replace(/^No connection established\. Last error: (?:Error: )?/, '')
    .replace(/\.?(?: \(\d{4}-[^)]*\))?\.?(?: Resolution note: ?)?$/, '');
}
