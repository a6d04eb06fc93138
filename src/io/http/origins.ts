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

/**
 * Alertmanager's own headers, so that a refusal is a text that a page can read. What is said of the
 * methods, and the answer to a browser that asks beforehand, agree with what a change is answered.
 */
export const shared: MiddlewareHandler<HttpEnv> = async (c, next) => {
  const mayChange = !isFromElsewhere((name) => c.req.header(name));
  const methods = mayChange ? 'GET, POST, DELETE, OPTIONS' : 'GET, OPTIONS';
  c.header('Access-Control-Allow-Headers', 'Accept, Authorization, Content-Type, Origin');
  c.header('Access-Control-Allow-Methods', methods);
  c.header('Access-Control-Allow-Origin', '*');
  c.header('Access-Control-Expose-Headers', 'Date');
  if (c.req.method !== 'OPTIONS') return next();
  // A browser lets POST pass whatever the list of methods says, unless the answer is an error.
  const asksToChange = !READS.has(c.req.header('access-control-request-method') ?? 'GET');
  return asksToChange && !mayChange ? problem(c, 403, REFUSAL) : c.body(null, 200);
};

export const sameSiteChanges: MiddlewareHandler<HttpEnv> = async (c, next) => {
  const mayPass = READS.has(c.req.method) || !isFromElsewhere((name) => c.req.header(name));
  return mayPass ? next() : problem(c, 403, REFUSAL);
};

const READS = new Set(['GET', 'HEAD', 'OPTIONS']);
const REFUSAL = 'a web page of another site may not change anything here';

/** Browsers tell where a request comes from, by one header or the other. */
function isFromElsewhere(header: (name: string) => string | undefined): boolean {
  const site = header('sec-fetch-site');
  if (site !== undefined) return site === 'cross-site';
  const origin = header('origin');
  if (origin === undefined) return false;
  const hosts = [header('host'), header('x-forwarded-host')];
  return !URL.canParse(origin) || !hosts.includes(new URL(origin).host);
}
