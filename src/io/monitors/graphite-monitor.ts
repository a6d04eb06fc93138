/**
 * Polls Graphite's render API: of each series that its targets give, the newest point with a
 * value, once. `<name>.up` says whether Graphite answered.
 *
 * Promise: a point is observed once, even when Graphite gives it again; a poll that fails changes
 * nothing but `<name>.up`. What a target gives is called what Graphite calls it, tags sorted.
 */

import { map, type Observable } from 'rxjs';
import type { Dispatcher } from 'undici';
import { z } from 'zod';
import type { Monitor } from '../../commands/config.ts';
import { sendPoll, type HttpAnswer, type HttpPoll } from './http-poll.ts';
import {
  abortable,
  polling,
  type PollingModules,
  type PollResult,
  type Reading,
} from './polling.ts';
import { isPrintable, normalSeriesName } from './series-name.ts';

export interface GraphiteMonitorModules extends PollingModules {
  readonly dispatcher: Dispatcher;
  readonly userAgent: string;
}

const settingsSchema = z.object({
  /** Of Graphite-web, without `/render`. */
  url: z.string(),
  targets: z.array(z.string()),
  /** Start of the window, in Graphite's words. */
  from: z.string(),
});

export function graphiteMonitor(
  monitor: Monitor,
  modules: GraphiteMonitorModules,
): Observable<PollResult> {
  const { dispatcher, userAgent } = modules;
  const poll = renderPoll(settingsSchema.parse(JSON.parse(monitor.settings)), userAgent);
  const newest = new NewestPoints();
  const up = `${monitor.name}.up`;
  const attempt = (): Observable<PollResult> =>
    abortable((signal) => sendPoll(poll, dispatcher, signal)).pipe(
      map((answer) => {
        const readings = newest.readingsOf(seriesOf(answer));
        return { readings: [...readings, [up, 1] as const], problem: null };
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

interface RenderedSeries {
  readonly target: string;
  readonly datapoints: readonly (readonly [value: number | null, seconds: number])[];
}

/** Checks an answer. Throws an error for people when it is not what Graphite gives. */
function seriesOf({ status, body }: HttpAnswer): readonly RenderedSeries[] {
  if (status !== 200) throw new Error(`answered ${status}`);
  if (body.length > ANSWER_BYTES_MAX) {
    throw new Error(`answered over ${ANSWER_BYTES_MAX} bytes: use fewer or narrower targets`);
  }
  const answer = parsedJson(body.toString());
  if (!Array.isArray(answer) || !answer.every(isRendered)) {
    throw new Error('did not answer with a JSON list of series: is this the URL of Graphite?');
  }
  return answer;
}

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function isRendered(value: unknown): value is RenderedSeries {
  const { target, datapoints } = (value ?? {}) as Partial<Record<string, unknown>>;
  return typeof target === 'string' && Array.isArray(datapoints) && datapoints.every(isPoint);
}

function isPoint(value: unknown): boolean {
  if (!Array.isArray(value)) return false;
  const [size, seconds] = value as readonly unknown[];
  return (size === null || typeof size === 'number') && typeof seconds === 'number';
}

/** Remembers of each series the time of the last point that was observed. */
class NewestPoints {
  #secondsByName = new Map<string, number>();

  readingsOf(rendered: readonly RenderedSeries[]): readonly Reading[] {
    const readings = rendered.flatMap((series) => this.#newReading(series));
    this.#forgetAllBut(rendered);
    return readings;
  }

  #newReading({ target, datapoints }: RenderedSeries): readonly Reading[] {
    const name = nameOf(target);
    const [value = null, seconds] = datapoints.findLast(([size]) => size !== null) ?? [];
    if (name === null || value === null || seconds === undefined) return [];
    if (seconds <= (this.#secondsByName.get(name) ?? -Infinity)) return [];
    this.#secondsByName.set(name, seconds);
    return [[name, value]];
  }

  /** Keeps memory bounded where series come and go: those of this answer are the living ones. */
  #forgetAllBut(rendered: readonly RenderedSeries[]): void {
    if (this.#secondsByName.size <= NAMES_MAX) return;
    const living = new Set(rendered.map(({ target }) => nameOf(target)));
    for (const name of this.#secondsByName.keys()) {
      if (!living.has(name)) this.#secondsByName.delete(name);
    }
  }
}

/** Ten times what one answer can hold. */
const NAMES_MAX = 100_000;

/** A target is a series name, or an expression over some, which is taken as it is. */
function nameOf(target: string): string | null {
  return normalSeriesName(target) ?? (isPrintable(target) ? target : null);
}
