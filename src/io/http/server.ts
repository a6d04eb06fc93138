/**
 * The HTTP server: Alertmanager's API, our own, the probes, the metrics and the status page, all
 * under one prefix on one port.
 *
 * Promise: every wait, body and queue is bounded (limits.ts); a fault of one request is an answer
 * and a log line, never the end of the process; `close` ends within a known time.
 */

import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createAdaptorServer } from '@hono/node-server';
import { Hono } from 'hono';
import { alertmanagerRoutes, removedRoutes } from './alertmanager/routes.ts';
import { problem } from './answers.ts';
import { lifecycleRoutes } from './lifecycle.ts';
import { HTTP_LIMITS } from './limits.ts';
import type { HttpEnv, HttpModules, HttpOptions } from './modules.ts';
import { pageRoutes } from './page.ts';
import { cleanPaths, pathReader } from './paths.ts';
import { requestWork } from './request-work.ts';
import { EventStreams } from './tocsin/events.ts';
import { tocsinRoutes } from './tocsin/routes.ts';

export interface HttpServer {
  /** `HOST:PORT` as it really listens. */
  readonly address: string;
  /** Takes no more requests, ends event streams, lets answers under way leave, then cuts. */
  close(): Promise<void>;
}

/** Resolves once it listens. Rejects when it cannot, for example because the port is taken. */
export async function createHttpServer(
  options: HttpOptions,
  modules: HttpModules,
): Promise<HttpServer> {
  const events = new EventStreams(modules);
  const server = listenerOf(routesOf(options, modules, events), options);
  warnOfDrops(server, modules);
  await listening(server, options);
  return { address: addressOf(server), close: () => closed(server, events) };
}

function routesOf(options: HttpOptions, modules: HttpModules, events: EventStreams): Hono<HttpEnv> {
  const { logger } = modules;
  const prefix = normalPrefix(options.prefix);
  const apiRoot = `${prefix}/api/v2`;
  const app = new Hono<HttpEnv>({ getPath: pathReader(apiRoot) });
  app.use(cleanPaths(apiRoot));
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

function listenerOf(app: Hono<HttpEnv>, options: HttpOptions): Server {
  const headersTimeout = options.headersTimeoutMs ?? HTTP_LIMITS.headersTimeoutMs;
  const requestTimeout = options.requestTimeoutMs ?? HTTP_LIMITS.requestTimeoutMs;
  const server = createAdaptorServer({
    fetch: app.fetch,
    // For HTTP/1.0 clients, which send no Host.
    hostname: 'localhost',
    // The classes of fetch are those of the whole process, not ours to replace.
    overrideGlobalObjects: false,
    serverOptions: {
      headersTimeout,
      requestTimeout,
      keepAliveTimeout: HTTP_LIMITS.keepAliveMs,
      connectionsCheckingInterval: Math.min(5_000, headersTimeout / 2),
    },
  }) as Server;
  server.maxConnections = HTTP_LIMITS.connections;
  return server;
}

const WARN_EVERY_MS = 10_000;

function warnOfDrops(server: Server, { logger, clock }: HttpModules): void {
  let warnedAtMs = -Infinity;
  server.on('drop', () => {
    if (clock.monotonicMs() - warnedAtMs < WARN_EVERY_MS) return;
    warnedAtMs = clock.monotonicMs();
    logger.warn('connection refused: too many are open', { limit: HTTP_LIMITS.connections });
  });
}

function listening(server: Server, { host, port }: HttpOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

function addressOf(server: Server): string {
  const { address, family, port } = server.address() as AddressInfo;
  return family === 'IPv6' ? `[${address}]:${port}` : `${address}:${port}`;
}

const LOOK_EVERY_MS = 20;

function closed(server: Server, events: EventStreams): Promise<void> {
  return new Promise((resolve) => {
    // A connection becomes idle when its answer has left; nothing tells, so we look.
    const look = setInterval(() => server.closeIdleConnections(), LOOK_EVERY_MS);
    const cut = setTimeout(() => server.closeAllConnections(), HTTP_LIMITS.drainMs);
    server.close(() => {
      clearInterval(look);
      clearTimeout(cut);
      resolve();
    });
    events.close();
  });
}
