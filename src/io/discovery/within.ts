/** Puts an end to waiting: for a promise that may never settle, and for a time to pass. */

import type { Clock } from '../ports.ts';

/** Gives what `promise` gives, or rejects after `limitMs`. What `promise` does goes on unseen. */
export function within<T>(promise: Promise<T>, limitMs: number, clock: Clock): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancel = clock.after(limitMs, () =>
      reject(new Error(`no answer within ${limitMs / 1_000} s`)),
    );
    promise.then(resolve, reject).finally(cancel);
  });
}

/** Gives what `promise` gives, or rejects with the reason of `signal` as soon as that is aborted. */
export function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason as Error);
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort);
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

/** Resolves after `delayMs`; rejects with the reason of `signal` as soon as that is aborted. */
export async function pause(delayMs: number, signal: AbortSignal, clock: Clock): Promise<void> {
  let cancel = (): void => undefined;
  const passed = new Promise<void>((resolve) => {
    cancel = clock.after(delayMs, resolve);
  });
  await unlessAborted(passed, signal).finally(cancel);
}
