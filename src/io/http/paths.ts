/**
 * Paths as Alertmanager's server takes them: `/api/v2/alerts/` is `/api/v2/alerts`, and a path with
 * doubled slashes is answered with the one that is meant.
 *
 * Promise: nothing is served under a path that a proxy in front of us reads otherwise, and nobody is
 * sent to another host.
 */

import path from 'node:path';
import type { MiddlewareHandler } from 'hono';
import { getPath } from 'hono/utils/url';
import type { HttpEnv } from './env.ts';

/** How requests are routed: below `root` a slash at the end means nothing. */
export function pathReader(root: string): (request: Request) => string {
  return (request) => {
    const asked = getPath(request);
    const hasMore = asked.startsWith(`${root}/`) && asked.endsWith('/');
    return hasMore && asked.length > root.length + 1 ? asked.slice(0, -1) : asked;
  };
}

/**
 * Redirects below `root` to the path without doubled slashes and dots. A change is redirected so that
 * it stays a change: after Alertmanager's 301 a client sends a GET, and its alerts are lost.
 */
export function cleanPaths(root: string): MiddlewareHandler<HttpEnv> {
  return async (c, next) => {
    const { url = '/' } = c.env.incoming;
    if (!MAY_BE_UNCLEAN.test(url)) return next();
    const [asked = ''] = url.split('?', 1);
    const clean = path.posix.normalize(asked);
    const isMeant = asked.startsWith('/') && clean !== asked && clean.startsWith(`${root}/`);
    if (!isMeant) return next();
    const isRead = c.req.method === 'GET' || c.req.method === 'HEAD';
    return c.redirect(clean + url.slice(asked.length), isRead ? 301 : 308);
  };
}

/** A doubled slash, or a part that begins with a dot. */
const MAY_BE_UNCLEAN = /\/[/.]/;
