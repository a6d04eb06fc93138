/** What the middleware of the HTTP server leaves in the context of each request. */

import type { HttpBindings } from '@hono/node-server';
import type { Actor } from '../../commands/actor.ts';
import type { Exchange } from './exchange.ts';
import type { RequestWork } from './request-work.ts';

/** The type of a hono context here: with Node's own request and answer. */
export interface HttpEnv {
  Bindings: HttpBindings;
  Variables: {
    readonly work: RequestWork;
    readonly exchange: Exchange;
    /** The address that sent the request, as far as proxies are trusted. */
    readonly clientAddress: string;
    /** Whether the client may still do what it asked for, for an answer that outlasts changes of the settings. */
    readonly mayStay: () => boolean;
    /** Who asks, as far as it is proven. */
    actor: Actor;
    /** Whether the page that asks, if it is one, may change anything. */
    mayChange: boolean;
    /** The page of `--cors-origin` that asks, or null. */
    allowedOrigin: string | null;
  };
}
