/**
 * `GET /`: the status page, and the files that it names. The page itself is drawn elsewhere; here
 * are the headers that keep a hostile label from doing anything, should it ever get out of its text.
 */

import { Hono } from 'hono';
import { problem } from './answers.ts';
import type { HttpEnv } from './env.ts';
import { readingTime, type HttpModules } from './modules.ts';
import type { ReadLimit } from './read-limit.ts';

/** Nothing runs, nothing is sent, nothing comes from elsewhere. */
const POLICY = [
  "default-src 'none'",
  "style-src 'self'",
  "img-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

export function pageRoutes({ node, monitors, page }: HttpModules, reads: ReadLimit): Hono<HttpEnv> {
  const app = new Hono<HttpEnv>();
  app.use(async (c, next) => {
    c.header('Content-Security-Policy', POLICY);
    c.header('X-Content-Type-Options', 'nosniff');
    c.header('Referrer-Policy', 'no-referrer');
    await next();
  });
  app.get('/', reads.limit, (c) => {
    const view = node.view();
    c.header('Cache-Control', 'no-store');
    return c.html(
      page.html({
        view,
        status: node.status(),
        isReady: node.ready(),
        monitors: monitors(),
        now: readingTime(node),
        refreshes: c.req.query('refresh') !== 'off',
      }),
    );
  });
  app.get('/assets/:name', (c) => {
    const name = c.req.param('name');
    const asset = Object.hasOwn(page.assets, name) ? page.assets[name] : undefined;
    if (asset === undefined) return problem(c, 404, 'there is no such file');
    c.header('Cache-Control', 'max-age=300');
    return c.body(asset.body, 200, { 'Content-Type': asset.type });
  });
  return app;
}
