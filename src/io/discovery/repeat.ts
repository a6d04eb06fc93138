/**
 * Does something again and again for as long as it is wanted.
 *
 * Promise: never two rounds at once, so a round repairs what it finds missing; nothing
 * else may begin a round. This is what keeps a lost lease from being granted twice over.
 */

import type { Clock } from '../ports.ts';

export interface Repeating {
  /** Does not wait for the next round: it begins now, or when the one under way has ended. */
  hurry(): void;
  /** Resolves when no round is under way and none will be. */
  stop(): Promise<void>;
}

/** `round` says how many milliseconds to wait until the next one, and must not reject. */
export function repeat(round: () => Promise<number>, clock: Clock): Repeating {
  let isStopped = false;
  let isHurried = false;
  let endPause = (): void => undefined;

  const pause = (delayMs: number): Promise<void> =>
    new Promise((resolve) => {
      const cancel = clock.after(delayMs, resolve);
      endPause = () => {
        cancel();
        resolve();
      };
    });

  const run = async (): Promise<void> => {
    while (!isStopped) {
      isHurried = false;
      const waitMs = await round();
      if (!isStopped && !isHurried) await pause(waitMs);
    }
  };

  const ended = run();
  return {
    hurry: () => {
      isHurried = true;
      endPause();
    },
    stop: () => {
      isStopped = true;
      endPause();
      return ended;
    },
  };
}
