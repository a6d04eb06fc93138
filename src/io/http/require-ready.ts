/**
 * Holds back answers about the state while the node still folds what its log holds: half a state
 * looks like a whole one in which alerts are missing. Changes are let through; they wait for their
 * commit anyway.
 */

import { createMiddleware } from 'hono/factory';
import { problem } from './answers.ts';
import type { HttpEnv } from './env.ts';
import type { HttpModules } from './modules.ts';

export function requireReady({ node }: HttpModules): ReturnType<typeof createMiddleware<HttpEnv>> {
  return createMiddleware<HttpEnv>(async (c, next) => {
    const reads = c.req.method === 'GET' || c.req.method === 'HEAD';
    if (!reads || node.ready()) return next();
    c.header('Retry-After', '1');
    return problem(c, 503, 'this node is not ready: it still reads its log, or has no leader');
  });
}
