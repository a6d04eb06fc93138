/** Gives each request its share of {@link RequestWork}, and its turns. */

import type { Context } from 'hono';
import { createMiddleware } from 'hono/factory';
import { isOverLimit } from '../../projections/expressions.ts';
import type { Connections } from './connections.ts';
import type { HttpCounters } from './counters.ts';
import type { HttpEnv } from './env.ts';
import { HTTP_LIMITS } from './limits.ts';
import { RequestWork } from './request-work.ts';

/** Gives all requests of a server the same {@link RequestWork}. */
export function requestWork(
  counters: HttpCounters,
  connections: Pick<Connections, 'exchangeOf'>,
): ReturnType<typeof createMiddleware<HttpEnv>> {
  const work = new RequestWork(counters);
  return createMiddleware<HttpEnv>((c, next) => {
    c.set('work', work);
    c.set('exchange', connections.exchangeOf(c.env.outgoing));
    return next();
  });
}

/**
 * Reads what may hold regular expressions, in a turn of its own: to compile them is up to some ten
 * milliseconds of work, so bodies of alerts and readings go first.
 */
export async function expressionTurn<T extends Readable>(
  c: Context<HttpEnv>,
  read: () => T,
): Promise<T> {
  const work = c.get('work');
  const done = await work.turn(HTTP_LIMITS.documentBytes, read);
  if (!done.ok && isOverLimit(done.message)) work.over('expression');
  return done;
}

type Readable = { readonly ok: true } | { readonly ok: false; readonly message: string };
