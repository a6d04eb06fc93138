/**
 * `monitors`: what this node polls by itself, with the defaults filled in.
 *
 * Promise: the settings of each type are complete, so that the monitor needs no default of its own.
 */

import type { z } from 'zod';
import type { Monitor } from '../../commands/config.ts';
import { LIMITS } from '../../commands/limits.ts';
import { DAY_MS, durationText, SECOND_MS } from './durations.ts';
import { duration, fields, flag, leaf, list, listOr, maybe, name, url, whole } from './fields.ts';
import { bad, good } from './parsed.ts';
import { jsonOf } from './json.ts';
import type { Path } from './problems.ts';
import type { Reader } from './reader.ts';

/** Polling faster than this is a mistake: it measures the poller. */
const INTERVAL_MIN_MS = 100;
const INTERVAL_MAX_MS = DAY_MS;
const TARGETS_MAX = 1_024;

/** {@link Monitor.settings} of an `http` monitor. */
export interface HttpMonitorSettings {
  readonly url: string;
  readonly method: string;
  /** Statuses that count as healthy; empty for any 2xx. */
  readonly expect_status: readonly number[];
}

/** {@link Monitor.settings} of a `graphite` monitor. */
export interface GraphiteMonitorSettings {
  /** Of Graphite-web, without `/render`. */
  readonly url: string;
  readonly targets: readonly string[];
  /** Start of the window asked for, in Graphite's words. */
  readonly from: string;
}

const method = leaf((text) =>
  /^(GET|HEAD|POST|OPTIONS)$/.test(text)
    ? good(text)
    : bad(`"${text}" is not a method for a check`, 'GET, HEAD, POST or OPTIONS'),
);

const status = whole(100, 599);

const httpFields = fields({
  url,
  interval: maybe(duration),
  timeout: maybe(duration),
  method: maybe(method),
  expect_status: maybe(
    listOr(
      list(status),
      status.transform((code) => [code]),
    ),
  ),
});

const graphiteFields = fields({
  url,
  targets: list(name(LIMITS.seriesName)),
  interval: maybe(duration),
  timeout: maybe(duration),
  from: maybe(name(LIMITS.name)),
});

const hostFields = fields({ interval: maybe(duration), demo: maybe(flag) });

/** What every type has, before the defaults. */
interface Polling {
  readonly interval?: number | undefined;
  readonly timeout?: number | undefined;
}

const monitorFields = fields({
  name: name(LIMITS.name),
  http: maybe(httpFields),
  graphite: maybe(graphiteFields),
  host: maybe(hostFields),
});

type Given = z.infer<typeof monitorFields>;

const TYPES = ['http', 'graphite', 'host'] as const;

export function readMonitors(reader: Reader): readonly Monitor[] {
  const placeByName = new Map<string, Path>();
  return reader.items(reader.sections['monitors'], ['monitors']).flatMap(([value, path]) => {
    const given = reader.read(monitorFields, value, path);
    if (given === undefined) return [];
    const other = placeByName.get(given.name);
    if (other !== undefined) {
      const message = `a monitor "${given.name}" stands on line ${reader.placeOf(other).line} already`;
      reader.problem([...path, 'name'], message, 'names are unique: rename one');
    }
    placeByName.set(given.name, [...path, 'name']);
    const types = TYPES.filter((type) => given[type] !== undefined);
    if (types.length !== 1) {
      const message = types.length === 0 ? 'has no type' : `is ${types.join(' and ')} at once`;
      reader.problem(path, message, TYPE_HINT);
    }
    return readTyped(reader, given, path) ?? [];
  });
}

const TYPE_HINT =
  'write one of http: {url: …}, graphite: {url: …, targets: […]} or host: {interval: 10s}';

function readTyped(reader: Reader, given: Given, path: Path): Monitor | null {
  const { http, graphite, host } = given;
  const build = { reader, name: given.name, path };
  if (http !== undefined) {
    const { url: page, method: verb = 'GET', expect_status: statuses = [] } = http;
    const settings: HttpMonitorSettings = { url: page, method: verb, expect_status: statuses };
    return polling(build, 'http', http, settings, 15 * SECOND_MS);
  }
  if (graphite !== undefined) {
    checkTargets(reader, graphite.targets, path);
    const { url: base, targets, from = '-5min' } = graphite;
    const settings: GraphiteMonitorSettings = { url: base, targets, from };
    return polling(build, 'graphite', graphite, settings, 30 * SECOND_MS);
  }
  if (host === undefined) return null;
  const settings = host.demo === true ? { demo: true } : {};
  return polling(build, 'host', host, settings, 10 * SECOND_MS);
}

function checkTargets(reader: Reader, targets: readonly string[], path: Path): void {
  const at = [...path, 'graphite', 'targets'];
  if (targets.length === 0) reader.problem(at, 'is empty', "write for example ['servers.*.load']");
  if (targets.length > TARGETS_MAX) reader.problem(at, `has over ${TARGETS_MAX} targets`);
}

function polling(
  { reader, name: monitorName, path }: { reader: Reader; name: string; path: Path },
  type: Monitor['type'],
  given: Polling,
  settings: object,
  defaultMs: number,
): Monitor {
  const intervalMs = given.interval ?? defaultMs;
  const timeoutMs = given.timeout ?? Math.min(5 * SECOND_MS, intervalMs);
  if (intervalMs < INTERVAL_MIN_MS || intervalMs > INTERVAL_MAX_MS) {
    const message = `an interval of ${durationText(intervalMs)} is not possible`;
    reader.problem([...path, type, 'interval'], message, 'it must be from 100ms to 1d');
  } else if (timeoutMs === 0 || timeoutMs > intervalMs) {
    const message = `a timeout of ${durationText(timeoutMs)} is not possible`;
    const hint = `it must be over 0 and at most the interval, ${durationText(intervalMs)}`;
    reader.problem([...path, type, 'timeout'], message, hint);
  }
  return { name: monitorName, type, intervalMs, timeoutMs, settings: jsonOf(settings) };
}
