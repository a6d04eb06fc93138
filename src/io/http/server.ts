/**
 * The HTTP server: Alertmanager's API, our own, the probes, the metrics and the status page, all
 * under one prefix on one port.
 *
 * Promise: every wait, body and queue is bounded (limits.ts); a fault of one request is an answer
 * and a log line, never the end of the process; `close` ends within a known time.
 */

import { Hono } from 'hono';
import { alertmanagerRoutes, removedRoutes } from './alertmanager/routes.ts';
import { problem } from './answers.ts';
import { Access } from './auth.ts';
import { routeKey } from './auth-routes.ts';
import { TrustedProxies } from './client-address.ts';
import { Connections } from './connections.ts';
import { lifecycleRoutes } from './lifecycle.ts';
import { HTTP_LIMITS } from './limits.ts';
import { Listener } from './listener.ts';
import type { HttpEnv } from './env.ts';
import type { HttpModules, HttpOptions } from './modules.ts';
import { origins } from './origins.ts';
import { pageRoutes } from './page.ts';
import { cleanPaths, pathReader } from './paths.ts';
import { rarely } from './rarely.ts';
import { ReadLimit } from './read-limit.ts';
import { requestWork } from './work-middleware.ts';
import { EventStreams } from './tocsin/events.ts';
import { tocsinRoutes } from './tocsin/routes.ts';
import { urgentUnder } from './urgent.ts';
import { OPEN, type WebSettings } from './web-settings.ts';

export interface HttpServer {
  /** `HOST:PORT` as it really listens. */
  readonly address: string;
  /** Users, tokens and certificates from now on. */
  use(settings: WebSettings): void;
  /** Takes no more requests, ends event streams, lets answers under way leave, then cuts. */
  close(): Promise<void>;
}

/** Resolves once it listens. Rejects when it cannot, for example because the port is taken. */
export async function createHttpServer(
  options: HttpOptions,
  modules: HttpModules,
): Promise<HttpServer> {
  const events = new EventStreams(modules);
  const trusted = new TrustedProxies(options.trustedProxies ?? []);
  const warn = rarely(modules);
  const { clock, counters } = modules;
  const limits = { ...HTTP_LIMITS, ...options.connectionLimits };
  const connections = new Connections(limits, { clock, counters, trusted, warn });
  const access = new Access(modules, trusted);
  const app = routesOf(options, modules, { access, connections, events });
  const settings = options.web ?? OPEN;
  access.use(settings);
  const isUrgent = urgentUnder(normalPrefix(options.prefix));
  const listener = new Listener(app.fetch, settings, {
    connections,
    counters,
    isUrgent,
    limits,
    warn,
  });
  const address = await listener.listen(options);
  return {
    address,
    use: (next) => {
      access.use(next);
      events.closeRevoked();
      listener.use(next);
    },
    close: async () => {
      events.close();
      await listener.close();
      await access.close();
    },
  };
}

interface RouteParts {
  readonly access: Access;
  readonly connections: Connections;
  readonly events: EventStreams;
}

/** Each `METHOD /path` of the server: whatever has a handler of its own needs a scope. */
export function routeList(options: HttpOptions, modules: HttpModules): readonly string[] {
  const { clock, counters } = modules;
  const trusted = new TrustedProxies([]);
  const parts = {
    access: new Access(modules, trusted),
    connections: new Connections(HTTP_LIMITS, { clock, counters, trusted, warn: () => undefined }),
    events: new EventStreams(modules),
  };
  const { routes } = routesOf(options, modules, parts);
  const own = routes.filter(({ method }) => method !== 'ALL');
  return own.map(({ method, path }) => routeKey(normalPrefix(options.prefix), method, path));
}

function routesOf(
  options: HttpOptions,
  modules: HttpModules,
  { access, connections, events }: RouteParts,
): Hono<HttpEnv> {
  const { clock, logger } = modules;
  const reads = new ReadLimit(HTTP_LIMITS.concurrentGets, clock, connections);
  const scrapes = new ReadLimit(HTTP_LIMITS.concurrentScrapes, clock, connections);
  const prefix = normalPrefix(options.prefix);
  const apiRoot = `${prefix}/api/v2`;
  const app = new Hono<HttpEnv>({ getPath: pathReader(apiRoot) });
  app.use(access.headers);
  app.use(access.rate);
  app.use(origins(options));
  app.use(cleanPaths(apiRoot));
  app.use(access.guard(prefix));
  app.use(requestWork(modules.counters, connections));
  app.onError((error, c) => {
    const { method, path } = c.req;
    logger.error('request failed', { method, path, error: error.stack ?? error.message });
    return problem(c, 500, 'an error of this program: its log has more');
  });
  app.notFound((c) => problem(c, 404, `there is no ${c.req.method} ${c.req.path}`));
  app.route(apiRoot, alertmanagerRoutes(options, modules, reads));
  app.route(`${prefix}/api/v1`, removedRoutes());
  app.route(`${prefix}/tocsin/v1`, tocsinRoutes(options, modules, events, reads));
  app.route(`${prefix}/`, lifecycleRoutes(modules, scrapes));
  app.route(`${prefix}/`, pageRoutes(modules, reads));
  if (prefix !== '') {
    app.get('/', (c) => c.redirect(`${prefix}/`));
    app.get(prefix, (c) => c.redirect(`${prefix}/`));
  }
  return app;
}

/** `/path` whatever the slashes around it; empty for none. */
function normalPrefix(prefix: string): string {
  const path = prefix.replace(/^\/+|\/+$/g, '');
  return path === '' ? '' : `/${path}`;
}
