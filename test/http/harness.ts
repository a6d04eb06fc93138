/**
 * The real server on a free port, in front of the real projection, on a clock that stands still
 * unless a story moves it.
 */

import type { Actor } from '../../src/commands/actor.ts';
import { backupOf } from '../../src/io/disk/backup-format.ts';
import { afterEach } from 'vitest';
import { alertmanagerConfig } from '../../src/io/config/alertmanager-text.ts';
import { redactSecrets } from '../../src/io/config/redact.ts';
import { parseMatcher, parseMatchers } from '../../src/io/config/matcher-text.ts';
import { CLOSING_REASONS, REFUSAL_REASONS, REFUSING_LIMITS } from '../../src/io/http/limits.ts';
import type { HttpModules, HttpOptions, Reloaded } from '../../src/io/http/modules.ts';
import { createHttpServer, routeList } from '../../src/io/http/server.ts';
import { createMetrics, type Metrics } from '../../src/io/metrics/metrics.ts';
import { lateness } from '../../src/io/monitors/point-time.ts';
import { normalSeriesName } from '../../src/io/monitors/series-name.ts';
import type { MonitorReport } from '../../src/io/ports.ts';
import { createStatusPage } from '../../src/io/ui/page.ts';
import type { WebSettings } from '../../src/io/http/web-settings.ts';
import { HandClock } from '../support/hand-clock.ts';
import { InstantNode } from '../support/instant-node.ts';
import { localTimeIn } from '../../src/io/daemon/local-time.ts';
import { config } from '../support/scenario-config.ts';

/** 2024-03-05T12:00:00.000Z, a Tuesday. */
export const NOON = Date.UTC(2024, 2, 5, 12);

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The body as JSON; throws when it is none. */
  readonly json: () => unknown;
}

export interface Desk {
  readonly node: InstantNode;
  readonly clock: HandClock;
  readonly metrics: Metrics;
  /** `http://127.0.0.1:port`, without the prefix. */
  readonly url: string;
  readonly logged: readonly string[];
  /** Each `METHOD /path` that the server has, in the words of its router. */
  readonly routes: () => readonly string[];
  readonly request: (path: string, init?: RequestInit) => Promise<Answer>;
  readonly get: (path: string) => Promise<Answer>;
  readonly post: (path: string, body: unknown) => Promise<Answer>;
  /** Other users, tokens and certificates. */
  readonly use: (settings: WebSettings) => void;
  readonly close: () => Promise<void>;
  reloaded: Reloaded;
  /** For whom the configuration was read again. */
  readonly reloads: Actor[];
  /** As `--late-after`. */
  lateAfterMs: number;
  /** Those that run on this node. */
  monitors: readonly MonitorReport[];
}

const open: Desk[] = [];

afterEach(async () => {
  for (const desk of open.splice(0)) await desk.close();
});

/** A server with a configuration applied, closed at the end of the test. */
export async function openDesk(
  options: Partial<HttpOptions> = {},
  model: Parameters<typeof config>[0] = {},
  reducers = 2,
  source = 'route: {receiver: team}\nreceivers: [{name: team}]\n',
): Promise<Desk> {
  const clock = new HandClock(NOON);
  const node = new InstantNode(clock, reducers);
  const origin = 'tocsin.yml';
  node.fold([{ kind: 'config', origin, source, externalUrl: null, config: config(model) }]);
  const metrics = createMetrics({
    version: '0.1.0',
    revision: 'abc',
    integrations: ['webhook'],
    dropReasons: ['queue-full', 'refused', 'not-committed'],
    limits: REFUSING_LIMITS,
    connectionReasons: { refused: REFUSAL_REASONS, closed: CLOSING_REASONS },
  });
  metrics.watch(node);
  const logged: string[] = [];
  const modules = modulesOf(options.classicNames ?? false, {
    node,
    clock,
    metrics,
    logged,
    reload: (actor) => {
      desk.reloads.push(actor);
      return desk.reloaded;
    },
    lateAfterMs: () => desk.lateAfterMs,
    monitors: () => desk.monitors,
  });
  const all: HttpOptions = {
    host: '127.0.0.1',
    port: 0,
    prefix: '',
    classicNames: false,
    dataDirectory: '/var/lib/tocsin',
    version: '0.1.0',
    revision: 'abc',
    ...options,
  };
  const server = await createHttpServer(all, modules);
  const scheme = (options.web?.tls ?? null) === null ? 'http' : 'https';
  const url = `${scheme}://${server.address}`;
  const request = (path: string, init?: RequestInit) => answered(`${url}${path}`, init);
  const desk: Desk = {
    node,
    clock,
    metrics,
    url,
    logged,
    routes: () => routeList(all, modules),
    request,
    get: (path) => request(path),
    post: (path, body) => request(path, { method: 'POST', body: bodyOf(body) }),
    use: (settings) => server.use(settings),
    close: async () => {
      metrics.close();
      await server.close();
    },
    reloaded: { ok: true },
    reloads: [],
    lateAfterMs: 0,
    monitors: [],
  };
  open.push(desk);
  return desk;
}

interface Parts {
  readonly node: InstantNode;
  readonly clock: HandClock;
  readonly metrics: Metrics;
  readonly logged: string[];
  readonly reload: (actor: Actor) => Reloaded;
  readonly lateAfterMs: () => number;
  readonly monitors: () => readonly MonitorReport[];
}

function modulesOf(classicNames: boolean, parts: Parts): HttpModules {
  const { node, clock, metrics, logged } = parts;
  let count = 0;
  const log = (message: string): void => void logged.push(message);
  return {
    node,
    clock,
    random: { next: () => 0.5, uuid: () => `fresh-${++count}` },
    logger: { debug: log, info: log, warn: log, error: log },
    localTimeIn,
    parseMatchers: (text) => parseMatchers(text, classicNames),
    parseMatcher: (text) => parseMatcher(text, classicNames),
    normalSeriesName,
    lateness: (time) => lateness(time, { nowMs: clock.now(), limitMs: parts.lateAfterMs() }),
    monitors: parts.monitors,
    backup: backupOf,
    redactConfig: redactSecrets,
    alertmanagerConfig,
    reload: (actor) => Promise.resolve(parts.reload(actor)),
    page: createStatusPage({ version: '0.1.0', localTimeIn }),
    metrics,
    counters: metrics,
  };
}

async function answered(url: string, init: RequestInit = {}): Promise<Answer> {
  const response = await fetch(url, { redirect: 'manual', ...init });
  const text = await response.text();
  const { status, headers } = response;
  return { status, headers, text, json: () => JSON.parse(text) as unknown };
}

function bodyOf(body: unknown): string | Uint8Array<ArrayBuffer> {
  if (typeof body === 'string') return body;
  return body instanceof Uint8Array ? new Uint8Array(body) : JSON.stringify(body);
}
