import {
  NEVER,
  of,
  take,
  throwError,
  VirtualTimeScheduler,
  type Observable,
  type SchedulerLike,
} from 'rxjs';
import { describe, expect, it } from 'vitest';
import type { Random } from '../../src/io/ports.ts';
import { polling, type PollResult } from '../../src/io/monitors/polling.ts';

/** Chance that gives these numbers in turn, and then the last one for ever. */
function chance(...numbers: readonly number[]): Random {
  let i = 0;
  return { next: () => numbers[Math.min(i++, numbers.length - 1)] ?? 0.5, uuid: () => '' };
}

const GOOD: PollResult = { readings: [['x', 1]], problem: null };

/** Runs a monitor for a while of virtual time; gives when it tried and what it gave. */
function watch(
  options: { readonly intervalMs: number; readonly timeoutMs: number; readonly forMs: number },
  random: Random,
  attempt: (tries: number) => Observable<PollResult>,
) {
  const scheduler = new VirtualTimeScheduler();
  const triesMs: number[] = [];
  const results: [atMs: number, problem: string | null][] = [];
  const subscription = polling(
    options,
    { random, scheduler },
    () => attempt(triesMs.push(scheduler.now())),
    (error) => ({ readings: [], problem: error instanceof Error ? error.message : '' }),
  ).subscribe(({ problem }) => results.push([scheduler.now(), problem]));
  scheduler.schedule(() => subscription.unsubscribe(), options.forMs);
  scheduler.flush();
  return { triesMs, results };
}

describe('a polling monitor', () => {
  const hour = { intervalMs: 60_000, timeoutMs: 5_000, forMs: 3_600_000 };

  it('polls once an interval for as long as anyone listens', () => {
    const { triesMs, results } = watch(hour, chance(0.5), () => of(GOOD));
    expect(triesMs).toEqual(Array.from({ length: 60 }, (_, i) => 500 + i * 60_000));
    expect(results).toHaveLength(60);
  });

  it('starts within a second, and waits a twentieth more or less each time', () => {
    const { triesMs } = watch(hour, chance(0, 0, 1, 0.5), () => of(GOOD));
    expect(triesMs.slice(0, 4)).toEqual([0, 57_000, 120_000, 180_000]);
  });

  it('tries again within the interval, with longer waits, and gives the first good answer', () => {
    const { triesMs, results } = watch({ ...hour, forMs: 30_000 }, chance(0), (tries) =>
      tries < 3 ? throwError(() => new Error('reset')) : of(GOOD),
    );
    expect(triesMs).toEqual([0, 250, 750]);
    expect(results).toEqual([[750, null]]);
  });

  it('gives a failure after the last try, and polls again at the next interval', () => {
    const { triesMs, results } = watch({ ...hour, forMs: 70_000 }, chance(0.5), () =>
      throwError(() => new Error('reset')),
    );
    expect(triesMs).toEqual([500, 875, 1_625, 60_500, 60_875, 61_625]);
    expect(results).toEqual([
      [1_625, 'reset'],
      [61_625, 'reset'],
    ]);
  });

  it('does not try again when that could outlast the interval', () => {
    const options = { intervalMs: 10_000, timeoutMs: 6_000, forMs: 9_000 };
    const { triesMs, results } = watch(options, chance(0), () => NEVER);
    expect(triesMs).toEqual([0]);
    expect(results).toEqual([[6_000, 'no answer within 6000 ms']]);
  });

  it('never has two polls at a time, though each takes as long as its interval', () => {
    const options = { intervalMs: 10_000, timeoutMs: 10_000, forMs: 100_000 };
    const { triesMs } = watch(options, chance(0.5), () => NEVER);
    expect(triesMs).toEqual([
      500, 10_500, 20_500, 30_500, 40_500, 50_500, 60_500, 70_500, 80_500, 90_500,
    ]);
  });

  it('goes on when the clock of the machine is set back by an hour during a poll', () => {
    const scheduler = new VirtualTimeScheduler();
    let setBackMs = 0;
    const adjusted: SchedulerLike = {
      now: () => scheduler.now() - setBackMs,
      schedule: scheduler.schedule.bind(scheduler),
    };
    const triesMs: number[] = [];
    const attempt = (): Observable<PollResult> => {
      triesMs.push(scheduler.now());
      if (triesMs.length === 2) setBackMs = 3_600_000;
      return of(GOOD);
    };
    polling(hour, { random: chance(0.5), scheduler: adjusted }, attempt, () => GOOD)
      .pipe(take(4))
      .subscribe();
    scheduler.flush();
    expect(triesMs).toEqual([500, 60_500, 120_500, 180_500]);
  });
});
