/**
 * When a polling monitor asks, and what one poll of it gives.
 *
 * Promise: one poll an interval, never two at a time, each answered within its interval however
 * often it is tried; monitors that start together drift apart. Time and chance come from outside,
 * so that a test runs a day of it in no time. It knows nothing of what is asked.
 */

import {
  catchError,
  concatMap,
  defer,
  Observable,
  of,
  repeat,
  retry,
  tap,
  throwError,
  timeout,
  timer,
  type SchedulerLike,
} from 'rxjs';
import type { Random } from '../ports.ts';
import type { DropReason } from './ingest-counters.ts';

/** A series name and its value. */
export type Reading = readonly [name: string, value: number];

/** What one poll gave. A failed one has readings too: that a target is down is an observation. */
export interface PollResult {
  readonly readings: readonly Reading[];
  /** What went wrong with the whole poll, in words, or null. */
  readonly problem: string | null;
  /** What was wrong with parts of an answer; none of them is among the readings. */
  readonly faults?: readonly Fault[];
  /** Series that are there, and have no reading of now. */
  readonly mentions?: readonly string[];
}

/** Readings of one kind that an answer held, and that cannot be judged. */
export interface Fault {
  readonly reason: DropReason;
  readonly count: number;
  /** The first of them, for people; each begins with the name of its series. */
  readonly sample: string;
}

export interface PollingOptions {
  readonly intervalMs: number;
  /** For each try. */
  readonly timeoutMs: number;
}

export interface PollingModules {
  readonly random: Random;
  readonly scheduler: SchedulerLike;
}

/**
 * Polls for ever. `attempt` is one try; when it fails it is tried again while another try fits
 * into the interval. `onFailure` makes the result of a poll of which every try failed.
 */
export function polling(
  options: PollingOptions,
  modules: PollingModules,
  attempt: () => Observable<PollResult>,
  onFailure: (error: unknown) => PollResult,
): Observable<PollResult> {
  const { random, scheduler } = modules;
  const { intervalMs } = options;
  return defer(() => {
    let waitMs = random.next() * Math.min(intervalMs, FIRST_POLL_MS_MAX);
    let startedMs = 0;
    const begin = (): void => {
      startedMs = scheduler.now();
    };
    const planNext = (): void => {
      const jitter = 1 + JITTER * (2 * random.next() - 1);
      // The scheduler's clock may be set while a poll runs; that must not stop the monitor.
      const tookMs = Math.min(Math.max(scheduler.now() - startedMs, 0), intervalMs);
      waitMs = Math.max(0, intervalMs * jitter - tookMs);
    };
    const poll = tries(options, modules, attempt).pipe(catchError((error) => of(onFailure(error))));
    return defer(() => timer(waitMs, scheduler)).pipe(
      tap(begin),
      concatMap(() => poll),
      tap({ complete: planNext }),
      repeat(),
    );
  });
}

/** One request as an observable: whoever loses interest in the answer aborts it. */
export function abortable<T>(request: (signal: AbortSignal) => Promise<T>): Observable<T> {
  return new Observable((subscriber) => {
    const controller = new AbortController();
    request(controller.signal).then(
      (answer) => {
        subscriber.next(answer);
        subscriber.complete();
      },
      (error: unknown) => subscriber.error(error),
    );
    return () => controller.abort();
  });
}

function tries(
  { intervalMs, timeoutMs }: PollingOptions,
  { random, scheduler }: PollingModules,
  attempt: () => Observable<PollResult>,
): Observable<PollResult> {
  return defer(() => {
    const endMs = scheduler.now() + intervalMs;
    return defer(attempt).pipe(
      timeout({
        first: timeoutMs,
        scheduler,
        with: () => throwError(() => new Error(`no answer within ${timeoutMs} ms`)),
      }),
      retry({
        count: RETRIES_MAX,
        delay: (error: unknown, count) => {
          const waitMs = BACKOFF_MS * 2 ** (count - 1) * (1 + random.next());
          const fits = scheduler.now() + waitMs + timeoutMs <= endMs;
          return fits ? timer(waitMs, scheduler) : throwError(() => error);
        },
      }),
    );
  });
}

/** A new monitor answers soon, yet a thousand of them do not ask in the same millisecond. */
const FIRST_POLL_MS_MAX = 1_000;

/** The part of the interval by which each wait differs, at most, to either side. */
const JITTER = 0.05;

/** Enough to pass over a lost packet or a restart behind a load balancer; `for` does the rest. */
const RETRIES_MAX = 2;

/** The first wait is one to two of these, the second two to four. */
const BACKOFF_MS = 250;
