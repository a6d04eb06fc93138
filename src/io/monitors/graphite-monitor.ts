/**
 * Polls Graphite's render API: of each series that its targets give, the newest point with a
 * value, once. `<name>.up` says whether Graphite answered.
 *
 * Promise: a point is observed once, even when Graphite gives it again; a poll that fails changes
 * nothing but `<name>.up`; a part of an answer that cannot be judged costs itself and is reported.
 * What a target gives is called what Graphite calls it, tags sorted. Of several series of one name
 * the first is judged: to judge all as one would make their check begin and end with each poll.
 */

import { map, type Observable } from 'rxjs';
import { z } from 'zod';
import type { Monitor } from '../../commands/config.ts';
import { sendPoll, type HttpAnswer, type HttpPoll } from './http-poll.ts';
import { abortable, polling, type PollingModules, type PollResult } from './polling.ts';
import { NewestPoints } from './newest-points.ts';
import { readRendered, type Rendered } from './rendered-json.ts';
import { monitorSeriesName } from './series-name.ts';
import type { Clock } from '../ports.ts';

export interface GraphiteMonitorModules extends PollingModules {
  readonly clock: Clock;
  readonly userAgent: string;
}

export interface GraphiteMonitorOptions {
  /** Points whose time is further back are late; 0 for the default. */
  readonly lateAfterMs: number;
}

/** Far more than clocks differ, and than a carbon that is behind keeps back. */
const LATE_AFTER_MS = 30 * 60_000;

const settingsSchema = z.object({
  /** Of Graphite-web, without `/render`. */
  url: z.string(),
  targets: z.array(z.string()),
  /** Start of the window, in Graphite's words. */
  from: z.string(),
});

export function graphiteMonitor(
  { lateAfterMs }: GraphiteMonitorOptions,
  monitor: Monitor,
  modules: GraphiteMonitorModules,
): Observable<PollResult> {
  const { clock, userAgent } = modules;
  const poll = renderPoll(settingsSchema.parse(JSON.parse(monitor.settings)), userAgent);
  const up = `${monitor.name}.up`;
  const newest = new NewestPoints({
    ownName: monitorSeriesName(up) ?? up,
    intervalMs: monitor.intervalMs,
    lateAfterMs: lateAfterMs === 0 ? LATE_AFTER_MS : lateAfterMs,
  });
  const attempt = (): Observable<PollResult> =>
    abortable((signal) => sendPoll(poll, modules, signal)).pipe(
      map((answer) => {
        const { readings, ...rest } = newest.take(renderedOf(answer), clock.now());
        return { ...rest, readings: [...readings, [up, 1] as const], problem: null };
      }),
    );
  return polling(monitor, modules, attempt, (error) => ({
    readings: [[up, 0]],
    problem: error instanceof Error ? error.message : 'failed',
  }));
}

/** An answer of this size holds some 10,000 series; a larger one holds up the process too long. */
const ANSWER_BYTES_MAX = 16 * 1024 * 1024;

/** Web servers take a request line of 8 KiB; a longer query is sent as a form, which is as good. */
const QUERY_LENGTH_MAX = 4_096;

function renderPoll(settings: z.infer<typeof settingsSchema>, userAgent: string): HttpPoll {
  const query = new URLSearchParams({ from: settings.from, format: 'json' });
  for (const target of settings.targets) query.append('target', target);
  const url = new URL(settings.url);
  url.pathname = `${url.pathname.replace(/\/+$/, '')}/render`;
  const common = { userAgent, bodyBytesMax: ANSWER_BYTES_MAX };
  if (query.toString().length > QUERY_LENGTH_MAX) {
    return { ...common, url: url.href, method: 'POST', form: query };
  }
  url.search = query.toString();
  return { ...common, url: url.href, method: 'GET' };
}

/** Checks an answer. Throws an error for people when it is not what Graphite gives. */
function renderedOf({ status, body, isBroken }: HttpAnswer): Rendered {
  if (status !== 200) throw new Error(`answered ${status}`);
  if (isBroken) throw new Error(`answered ${status}, which broke off`);
  if (body.length > ANSWER_BYTES_MAX) {
    throw new Error(`answered over ${ANSWER_BYTES_MAX} bytes: use fewer or narrower targets`);
  }
  const rendered = readRendered(body);
  if (rendered !== null) return rendered;
  throw new Error('did not answer with a JSON list of series: is this the URL of Graphite?');
}
