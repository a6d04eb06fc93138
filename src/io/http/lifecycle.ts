/**
 * The routes under `/-/` and `/metrics`: for load balancers, supervisors and Prometheus.
 */

import { Hono } from 'hono';
import { onlyMethods } from './answers.ts';
import type { HttpEnv } from './env.ts';
import type { HttpModules } from './modules.ts';
import { sameSiteChanges } from './origins.ts';
import type { ReadLimit } from './read-limit.ts';

export function lifecycleRoutes(modules: HttpModules, scrapes: ReadLimit): Hono<HttpEnv> {
  const { node, metrics } = modules;
  const app = new Hono<HttpEnv>();
  app.use(async (c, next) => {
    c.header('Cache-Control', 'no-store');
    await next();
  });
  app.get('/-/healthy', (c) => c.text('OK\n'));
  app.get('/-/ready', (c) => {
    return node.ready() ? c.text('OK\n') : c.text(`not ready: ${unreadiness(modules)}\n`, 503);
  });
  app.get('/-/leader', (c) => {
    const { leader } = node.status();
    return leader === null ? c.text('no leader is known\n', 503) : c.text(`${leader}\n`);
  });
  app.post('/-/reload', sameSiteChanges, async (c) => {
    const reloaded = await modules.reload(c.get('actor'));
    return reloaded.ok ? c.text('OK\n') : c.text(`${reloaded.message}\n`, 400);
  });
  app.get('/metrics', scrapes.limit, async (c) => {
    const text = await metrics.text();
    return c.body(text, 200, { 'Content-Type': metrics.contentType });
  });
  onlyMethods(app, {
    '/-/healthy': 'GET',
    '/-/ready': 'GET',
    '/-/leader': 'GET',
    '/-/reload': 'POST',
    '/metrics': 'GET',
  });
  return app;
}

function unreadiness({ node }: HttpModules): string {
  const { leader, appliedIndex, commitIndex } = node.status();
  if (leader === null) return 'no leader is known';
  return `applied ${appliedIndex} of ${commitIndex} committed entries`;
}
