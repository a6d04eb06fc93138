/**
 * Who asks, and whether it may: basic authentication and bearer tokens against the web settings, for
 * every route of the server.
 *
 * Promise: nothing of a route runs before its scope is granted; a route without a scope needs `admin`;
 * guessing is slowed down for each address, and never holds the event loop. Good credentials that
 * were seen before are served whatever an attacker does.
 */

import { createHash } from 'node:crypto';
import type { Context, MiddlewareHandler } from 'hono';
import { matchedRoutes } from 'hono/route';
import { actorOf, actorText, type Actor } from '../../commands/actor.ts';
import { problem } from './answers.ts';
import { FailureLimit } from './auth-failures.ts';
import { Passwords, Remembered } from './auth-passwords.ts';
import { ROUTE_SCOPES, routeKey } from './auth-routes.ts';
import type { TrustedProxies } from './client-address.ts';
import { HTTP_LIMITS } from './limits.ts';
import type { HttpEnv } from './env.ts';
import type { HttpModules } from './modules.ts';
import { asksWho, OPEN, type Scope, type WebSettings } from './web-settings.ts';

const WARN_EVERY_MS = 10_000;

interface Caller {
  readonly actor: Actor;
  /** By the settings of the moment; null once they do not know it. */
  readonly scopes: () => readonly Scope[] | null;
}

type Identified =
  | { readonly ok: true; readonly caller: Caller }
  | { readonly ok: false; readonly why: 'nobody' | 'wrong' | 'limited' | 'busy' };

export class Access {
  readonly #modules: Pick<HttpModules, 'clock' | 'logger'>;
  readonly #proxies: TrustedProxies;
  readonly #failures: FailureLimit;
  readonly #passwords = new Passwords();
  readonly #wrongTokens = new Remembered();
  #settings: WebSettings = OPEN;
  #headers: readonly (readonly [name: string, value: string])[] = [];
  #requestsLeft = 0;
  #requestAtMs = -Infinity;
  #warnedAtMs = -Infinity;

  constructor(modules: Pick<HttpModules, 'clock' | 'logger'>, proxies: TrustedProxies) {
    this.#modules = modules;
    this.#proxies = proxies;
    this.#failures = new FailureLimit(modules.clock);
  }

  /** Holds for the next request on. */
  use(settings: WebSettings): void {
    this.#settings = settings;
    this.#headers = Object.entries(settings.headers);
  }

  close(): Promise<void> {
    return this.#passwords.close();
  }

  /** Sets the headers that the file names: what an operator wrote wins over what a route says. */
  readonly headers: MiddlewareHandler<HttpEnv> = async (c, next) => {
    const headers = this.#headers;
    if (headers.length === 0) return next();
    await next();
    for (const [name, value] of headers) c.header(name, value);
  };

  /** `rate_limit` of the file, for all clients together. */
  readonly rate: MiddlewareHandler<HttpEnv> = async (c, next) => {
    const { rateLimit } = this.#settings;
    if (rateLimit === null) return next();
    const nowMs = this.#modules.clock.monotonicMs();
    const earned = (nowMs - this.#requestAtMs) / rateLimit.intervalMs;
    this.#requestsLeft = Math.min(rateLimit.burst, this.#requestsLeft + earned);
    this.#requestAtMs = nowMs;
    if (this.#requestsLeft < 1) {
      c.header('Retry-After', String(Math.ceil(rateLimit.intervalMs / 1_000)));
      return problem(c, 429, 'too many requests: rate_limit of the web configuration file');
    }
    this.#requestsLeft -= 1;
    return next();
  };

  /** Goes before every route, and says who asks; `prefix` is that of the server. */
  guard(prefix: string): MiddlewareHandler<HttpEnv> {
    return async (c, next) => {
      const address = this.#proxies.clientOf(c.env.incoming);
      c.set('clientAddress', address);
      c.set('actor', actorOf('address', address));
      c.set('mayStay', () => !asksWho(this.#settings));
      if (!asksWho(this.#settings) || isPreflight(c)) return next();
      const route = matchedRoutes(c).find(({ method }) => method !== 'ALL');
      // Without a route there is nothing to protect, but only an authenticated client learns that it does not exist.
      const needed =
        route === undefined
          ? 'any'
          : (ROUTE_SCOPES[routeKey(prefix, route.method, route.path)] ?? 'admin');
      if (needed === 'public') return next();
      const identified = await this.#identify(c);
      if (!identified.ok) return this.#refuse(c, identified.why);
      const { actor, scopes } = identified.caller;
      const known = scopes();
      // The settings have changed while the password was compared.
      if (known === null) return this.#refuse(c, 'wrong');
      c.set('actor', actor);
      c.set('mayStay', () => grants(scopes() ?? [], needed));
      if (grants(known, needed)) return next();
      return problem(c, 403, `${actorText(actor)} may not do this: it needs the scope ${needed}`);
    };
  }

  async #identify(c: Context<HttpEnv>): Promise<Identified> {
    const header = c.req.header('authorization') ?? '';
    const [, scheme = '', credentials = ''] = /^\s*(\S+)\s*(.*?)\s*$/.exec(header) ?? [];
    if (scheme === '') return { ok: false, why: 'nobody' };
    const address = c.get('clientAddress');
    if (scheme.toLowerCase() === 'bearer') return this.#byToken(address, credentials);
    if (scheme.toLowerCase() === 'basic') return this.#byPassword(address, credentials);
    return { ok: false, why: 'nobody' };
  }

  /** Nobody guesses a token, so it needs no slow comparison, and only its digest is compared. */
  #byToken(address: string, token: string): Identified {
    const digest = createHash('sha256').update(token).digest('hex');
    const known = this.#settings.tokens.get(digest);
    if (known !== undefined) {
      const scopes = () => this.#settings.tokens.get(digest)?.scopes ?? null;
      return { ok: true, caller: { actor: actorOf('token', known.name), scopes } };
    }
    // As with passwords: an old token that is shown again and again is no further guess.
    if (this.#wrongTokens.has(digest)) return { ok: false, why: 'wrong' };
    if (!this.#failures.take(address)) return { ok: false, why: 'limited' };
    this.#wrongTokens.add(digest);
    return { ok: false, why: 'wrong' };
  }

  async #byPassword(address: string, credentials: string): Promise<Identified> {
    const text = Buffer.from(credentials, 'base64').toString('utf8');
    const colon = text.indexOf(':');
    const name = text.slice(0, Math.max(colon, 0));
    const password = text.slice(colon + 1);
    const user = this.#settings.users.get(name);
    const remembered = this.#passwords.known(name, password, user?.hash);
    // What is known to be wrong costs nothing and says nothing new: a client with an old password
    // does not lock out the others at its address.
    if (remembered === 'wrong' || colon < 0) return { ok: false, why: 'wrong' };
    if (remembered !== 'right') {
      // Who asks the same while it is compared makes no further guess.
      const isGuess = remembered === null;
      if (isGuess && !this.#failures.take(address)) return { ok: false, why: 'limited' };
      const result = await this.#passwords.compare(name, password, user?.hash);
      if (isGuess && result !== 'wrong') this.#failures.giveBack(address);
      if (result !== 'right') return { ok: false, why: result };
    }
    if (user === undefined) return { ok: false, why: 'wrong' };
    const scopes = (): readonly Scope[] | null => {
      const current = this.#settings.users.get(name);
      return current?.hash === user.hash ? current.scopes : null;
    };
    return { ok: true, caller: { actor: actorOf('user', name), scopes } };
  }

  #refuse(c: Context<HttpEnv>, why: Extract<Identified, { readonly ok: false }>['why']): Response {
    if (why === 'busy') {
      c.header('Retry-After', '1');
      return problem(c, 503, 'too many passwords are being checked, send it again');
    }
    if (why !== 'nobody') this.#warn(c.get('clientAddress'), why);
    if (why === 'limited') {
      c.header('Retry-After', String(HTTP_LIMITS.failureEveryMs / 1_000));
      return problem(c, 429, 'too many wrong credentials from this address');
    }
    const { tokens, users } = this.#settings;
    // A browser asks for a password when it sees Basic.
    if (users.size > 0) c.header('WWW-Authenticate', 'Basic realm="tocsin", charset="UTF-8"');
    if (tokens.size > 0) c.header('WWW-Authenticate', 'Bearer realm="tocsin"', { append: true });
    const message = why === 'nobody' ? 'credentials are needed here' : 'the credentials are wrong';
    return problem(c, 401, message);
  }

  /** Names no user: people type passwords into the field of the name. */
  #warn(address: string, why: 'wrong' | 'limited'): void {
    const { clock, logger } = this.#modules;
    if (clock.monotonicMs() - this.#warnedAtMs < WARN_EVERY_MS) return;
    this.#warnedAtMs = clock.monotonicMs();
    const message =
      why === 'wrong' ? 'wrong credentials' : 'wrong credentials: the address has to wait';
    logger.warn(message, { address });
  }
}

function grants(scopes: readonly Scope[], needed: Scope | 'any'): boolean {
  return needed === 'any' || scopes.includes(needed) || scopes.includes('admin');
}

/** A browser asks beforehand without credentials, and the answer says nothing of what is here. */
function isPreflight(c: Context<HttpEnv>): boolean {
  const asked = c.req.header('access-control-request-method');
  return c.req.method === 'OPTIONS' && asked !== undefined && c.req.header('origin') !== undefined;
}
