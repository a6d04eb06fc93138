/**
 * Who may ask from a browser: every page may read, as with Alertmanager; only a page that this
 * server (or a proxy in front of it) has served may change anything.
 *
 * Alertmanager lets any web page post silences through the browser of whoever looks at it, and a
 * silence is the first thing an attacker wants. Programs send no `Origin` and are not concerned.
 */

import type { MiddlewareHandler } from 'hono';
import { problem } from './answers.ts';
import type { HttpEnv } from './modules.ts';

/** Alertmanager's own headers, to the letter: a refusal is then a text that a page can read. */
export const shared: MiddlewareHandler<HttpEnv> = async (c, next) => {
  c.header('Access-Control-Allow-Headers', 'Accept, Authorization, Content-Type, Origin');
  c.header('Access-Control-Allow-Methods', 'GET, POST, DELETE, OPTIONS');
  c.header('Access-Control-Allow-Origin', '*');
  c.header('Access-Control-Expose-Headers', 'Date');
  if (c.req.method === 'OPTIONS') return c.body(null, 200);
  return next();
};

export const sameSiteChanges: MiddlewareHandler<HttpEnv> = async (c, next) => {
  const isRead = ['GET', 'HEAD', 'OPTIONS'].includes(c.req.method);
  if (isRead || !isFromElsewhere((name) => c.req.header(name))) return next();
  return problem(c, 403, 'a web page of another site may not change anything here');
};

/** Browsers tell where a request comes from, by one header or the other. */
function isFromElsewhere(header: (name: string) => string | undefined): boolean {
  const site = header('sec-fetch-site');
  if (site !== undefined) return site === 'cross-site';
  const origin = header('origin');
  if (origin === undefined) return false;
  const hosts = [header('host'), header('x-forwarded-host')];
  return !URL.canParse(origin) || !hosts.includes(new URL(origin).host);
}
