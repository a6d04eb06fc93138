/**
 * Which names this server answers to, and which web pages may change something. One rule for all
 * routes; docs/security.md has it in words.
 *
 * A page of a stranger reaches a server behind a firewall in two ways: it sends requests of its own,
 * which name it in `Origin`, or it has its own name lead to our address (DNS rebinding), and then
 * `Host` has that name. Programs send no `Origin` and are asked for the name only.
 */

import { isIP } from 'node:net';
import type { Context, MiddlewareHandler } from 'hono';
import { problem } from './answers.ts';
import type { HttpEnv } from './env.ts';
import type { HttpOptions } from './modules.ts';

type OriginOptions = Pick<HttpOptions, 'host' | 'externalUrl' | 'allowedHosts' | 'corsOrigins'>;

/** Goes before every route: refuses a name that is not ours, and judges where a request is from. */
export function origins(options: OriginOptions): MiddlewareHandler<HttpEnv> {
  const { allowedHosts = [], corsOrigins = [], externalUrl = null, host } = options;
  const external = externalUrl === null ? null : new URL(externalUrl);
  const names = new Set(['localhost', host.toLowerCase(), ...allowedHosts]);
  if (external !== null) names.add(external.hostname);
  const allowed = new Set(corsOrigins);
  const own = external?.origin;
  // Nearly every request names the host that the one before it named.
  let last = { name: 'localhost', asked: readHost('localhost') };
  return async (c, next) => {
    const name = hostOf(c);
    if (name !== last.name) last = { name, asked: readHost(name) };
    const { asked } = last;
    if (asked === null || !isOurs(asked.hostname, names)) {
      const message = `this server is not called ${asked?.hostname ?? 'that'}: --allowed-host NAME gives it a name`;
      return problem(c, 421, message);
    }
    const origin = c.req.header('origin');
    const isAllowed = origin !== undefined && allowed.has(origin);
    const isOwn = origin === own || (origin !== undefined && hasHost(origin, asked.host));
    c.set('allowedOrigin', isAllowed ? origin : null);
    c.set('mayChange', isAllowed || isOwnRequest(origin, isOwn, c.req.header('sec-fetch-site')));
    return next();
  };
}

/**
 * Alertmanager's own headers, so that a refusal is a text that a page can read. What is said of the
 * methods, and the answer to a browser that asks beforehand, agree with what a change is answered.
 */
export const cors: MiddlewareHandler<HttpEnv> = async (c, next) => {
  const mayChange = c.get('mayChange');
  const allowedOrigin = c.get('allowedOrigin');
  const methods = mayChange ? 'GET, POST, DELETE, OPTIONS' : 'GET, OPTIONS';
  c.header('Access-Control-Allow-Headers', 'Accept, Authorization, Content-Type, Origin');
  c.header('Access-Control-Allow-Methods', methods);
  c.header('Access-Control-Allow-Origin', allowedOrigin ?? '*');
  c.header('Access-Control-Expose-Headers', 'Date');
  c.header('Vary', 'Origin');
  // A browser sends what it knows of a user only where the answer names the page.
  if (allowedOrigin !== null) c.header('Access-Control-Allow-Credentials', 'true');
  if (c.req.method !== 'OPTIONS') return next();
  // A browser lets POST pass whatever the list of methods says, unless the answer is an error.
  const asksToChange = !READS.has(c.req.header('access-control-request-method') ?? 'GET');
  return asksToChange && !mayChange ? problem(c, 403, REFUSAL) : c.body(null, 200);
};

export const sameSiteChanges: MiddlewareHandler<HttpEnv> = async (c, next) => {
  const mayPass = READS.has(c.req.method) || c.get('mayChange');
  return mayPass ? next() : problem(c, 403, REFUSAL);
};

/**
 * For a route that changes something although it is read, such as one that is recorded: an image in a
 * page is enough to have a browser ask for it, with the password that the browser keeps.
 */
export const ownPages: MiddlewareHandler<HttpEnv> = async (c, next) =>
  c.get('mayChange') ? next() : problem(c, 403, REFUSAL);

const READS = new Set(['GET', 'HEAD', 'OPTIONS']);
const REFUSAL =
  'a web page of another origin may not change anything here: --cors-origin ORIGIN allows one';

/** The browser knows best whether a page is ours; without its word the name of the page decides. */
function isOwnRequest(
  origin: string | undefined,
  isOwn: boolean,
  site: string | undefined,
): boolean {
  if (site === 'same-origin') return true;
  if (origin !== undefined) return isOwn;
  return site === undefined || site === 'none';
}

function hostOf(c: Context<HttpEnv>): string {
  const { headers } = c.env.incoming;
  return String(headers[':authority'] ?? headers.host ?? 'localhost');
}

function readHost(name: string): URL | null {
  const url = `http://${name}`;
  return URL.canParse(url) ? new URL(url) : null;
}

/** An address cannot be made to lead elsewhere, unlike a name. */
function isOurs(hostname: string, names: ReadonlySet<string>): boolean {
  const bare = hostname.replace(/^\[|\]$|\.$/g, '');
  return isIP(bare) !== 0 || names.has(bare);
}

function hasHost(origin: string, host: string): boolean {
  return URL.canParse(origin) && new URL(origin).host === host;
}
