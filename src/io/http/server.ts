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
import { lifecycleRoutes } from './lifecycle.ts';
import { Listener } from './listener.ts';
import type { HttpEnv, HttpModules, HttpOptions } from './modules.ts';
import { origins } from './origins.ts';
import { pageRoutes } from './page.ts';
import { cleanPaths, pathReader } from './paths.ts';
import { requestWork } from './request-work.ts';
import { EventStreams } from './tocsin/events.ts';
import { tocsinRoutes } from './tocsin/routes.ts';
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
  const access = new Access(modules);
  const app = routesOf(options, modules, { access, events });
  const settings = options.web ?? OPEN;
  access.use(settings);
  const listener = new Listener(app.fetch, settings, options, modules);
  const address = await listener.listen(options);
  return {
    address,
    use: (next) => {
      access.use(next);
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
  readonly events: EventStreams;
}

/** Each `METHOD /path` of the server: whatever has a handler of its own needs a scope. */
export function routeList(options: HttpOptions, modules: HttpModules): readonly string[] {
  const parts = { access: new Access(modules), events: new EventStreams(modules) };
  const { routes } = routesOf(options, modules, parts);
  const own = routes.filter(({ method }) => method !== 'ALL');
  return own.map(({ method, path }) => routeKey(normalPrefix(options.prefix), method, path));
}

function routesOf(
  options: HttpOptions,
  modules: HttpModules,
  { access, events }: RouteParts,
): Hono<HttpEnv> {
  const { logger } = modules;
  const prefix = normalPrefix(options.prefix);
  const apiRoot = `${prefix}/api/v2`;
  const app = new Hono<HttpEnv>({ getPath: pathReader(apiRoot) });
  app.use(access.headers);
  app.use(access.rate);
  app.use(origins(options));
  app.use(cleanPaths(apiRoot));
  app.use(access.guard(prefix));
  app.use(requestWork(modules.counters));
  app.onError((error, c) => {
    const { method, path } = c.req;
    logger.error('request failed', { method, path, error: error.stack ?? error.message });
    return problem(c, 500, 'an error of this program: its log has more');
  });
  app.notFound((c) => problem(c, 404, `there is no ${c.req.method} ${c.req.path}`));
  app.route(apiRoot, alertmanagerRoutes(options, modules));
  app.route(`${prefix}/api/v1`, removedRoutes());
  app.route(`${prefix}/tocsin/v1`, tocsinRoutes(options, modules, events));
  app.route(`${prefix}/`, lifecycleRoutes(modules));
  app.route(`${prefix}/`, pageRoutes(modules));
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
