/**
 * Watches a URL: `<name>.up` is 1 or 0, `<name>.status` the HTTP status or 0 without an answer,
 * `<name>.latency_ms` the time to the answer, when there was one.
 *
 * Promise: whatever the target does is an observation, never a failure of the monitor.
 */

import { defer, map, type Observable } from 'rxjs';
import { z } from 'zod';
import type { Monitor } from '../../commands/config.ts';
import type { Clock } from '../ports.ts';
import { sendPoll } from './http-poll.ts';
import { abortable, polling, type PollingModules, type PollResult } from './polling.ts';

export interface HttpMonitorModules extends PollingModules {
  readonly clock: Clock;
  readonly userAgent: string;
}

const settingsSchema = z.object({
  url: z.string(),
  method: z.string(),
  /** Statuses that count as healthy; empty for any 2xx. */
  expect_status: z.array(z.number()),
});

export function httpMonitor(monitor: Monitor, modules: HttpMonitorModules): Observable<PollResult> {
  const { clock, userAgent } = modules;
  const {
    url,
    method,
    expect_status: expected,
  } = settingsSchema.parse(JSON.parse(monitor.settings));
  const poll = { url, method, userAgent, bodyBytesMax: BODY_BYTES_MAX };
  const ask = defer(() => {
    const startMs = clock.monotonicMs();
    return abortable((signal) => sendPoll(poll, modules, signal)).pipe(
      map(({ status, isBroken }) => ({
        status,
        isBroken,
        latencyMs: clock.monotonicMs() - startMs,
      })),
    );
  });
  const attempt = (): Observable<PollResult> =>
    ask.pipe(
      map((answer) => {
        if (answer.isBroken || !isHealthy(answer.status, expected)) throw new Unhealthy(answer);
        return { readings: readingsOf(monitor.name, 1, answer), problem: null };
      }),
    );
  return polling(monitor, modules, attempt, (error) => ({
    readings: readingsOf(monitor.name, 0, error instanceof Unhealthy ? error.answer : null),
    problem: error instanceof Error ? error.message : 'failed',
  }));
}

interface Answer {
  readonly status: number;
  readonly isBroken: boolean;
  readonly latencyMs: number;
}

/** An answer that says that the target is not well. */
class Unhealthy extends Error {
  readonly answer: Answer;

  constructor(answer: Answer) {
    super(`answered ${answer.status}${answer.isBroken ? ', which broke off' : ''}`);
    this.answer = answer;
  }
}

/** The page itself is not wanted, but a server that breaks off in its middle is not well. */
const BODY_BYTES_MAX = 64 * 1024;

function isHealthy(status: number, expected: readonly number[]): boolean {
  return expected.length > 0 ? expected.includes(status) : status >= 200 && status < 300;
}

function readingsOf(name: string, up: number, answer: Answer | null): PollResult['readings'] {
  const state = [
    [`${name}.up`, up],
    [`${name}.status`, answer?.status ?? 0],
  ] as const;
  return answer === null ? state : [...state, [`${name}.latency_ms`, answer.latencyMs]];
}
