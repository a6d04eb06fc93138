/**
 * The port: takes connections and gives each to the server for the settings of the moment, which
 * speaks plain HTTP, or TLS with HTTP/1.1 and HTTP/2.
 *
 * Promise: a new certificate holds for the next connection; connections of before end in order
 * within {@link HTTP_LIMITS.drainMs}, so that what was withdrawn does not live on in them.
 */

import { constants } from 'node:crypto';
import {
  createServer as createHttp1,
  type IncomingMessage,
  type Server as Http1Server,
  type ServerResponse,
} from 'node:http';
import { createServer as createHttp2, type Http2Server, type ServerHttp2Session } from 'node:http2';
import { createServer as createHttps } from 'node:https';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { getRequestListener } from '@hono/node-server';
import type { Hono } from 'hono';
import { HTTP_LIMITS } from './limits.ts';
import type { HttpEnv, HttpModules, HttpOptions } from './modules.ts';
import type { TlsSettings, WebSettings } from './web-settings.ts';

type Fetch = Hono<HttpEnv>['fetch'];
type ListenerOptions = Pick<HttpOptions, 'headersTimeoutMs' | 'requestTimeoutMs'>;

const WARN_EVERY_MS = 10_000;
const LOOK_EVERY_MS = 20;

export class Listener {
  readonly #port: Server;
  readonly #make: (settings: WebSettings) => Speaker;
  #speaker: Speaker;
  #fingerprint: string;

  constructor(
    fetch: Fetch,
    settings: WebSettings,
    options: ListenerOptions,
    modules: Pick<HttpModules, 'clock' | 'logger'>,
  ) {
    const warn = rarely(modules);
    this.#make = (wanted) => new Speaker(fetch, wanted, options, warn);
    this.#speaker = this.#make(settings);
    this.#fingerprint = fingerprintOf(settings);
    // As node:http makes its own sockets.
    this.#port = createServer({ allowHalfOpen: true, noDelay: true }, (socket) =>
      this.#speaker.take(socket),
    );
    this.#port.maxConnections = HTTP_LIMITS.connections;
    this.#port.on('drop', () =>
      warn('connection refused: too many are open', { limit: HTTP_LIMITS.connections }),
    );
  }

  /** Resolves once it listens, with the address; rejects when it cannot. */
  listen({ host, port }: Pick<HttpOptions, 'host' | 'port'>): Promise<string> {
    return new Promise((resolve, reject) => {
      this.#port.once('error', reject);
      this.#port.listen(port, host, () => {
        this.#port.off('error', reject);
        resolve(addressOf(this.#port));
      });
    });
  }

  use(settings: WebSettings): void {
    const fingerprint = fingerprintOf(settings);
    if (fingerprint === this.#fingerprint) return;
    this.#fingerprint = fingerprint;
    const before = this.#speaker;
    this.#speaker = this.#make(settings);
    void before.close();
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      this.#port.close(() => resolve());
    });
    await Promise.all([this.#speaker.close(), closed]);
  }
}

function fingerprintOf({ http2, tls }: WebSettings): string {
  return tls === null ? '' : `${http2} ${tls.fingerprint}`;
}

type Warn = (message: string, fields: Readonly<Record<string, unknown>>) => void;

function rarely({ clock, logger }: Pick<HttpModules, 'clock' | 'logger'>): Warn {
  const warnedAtMs = new Map<string, number>();
  return (message, fields) => {
    const nowMs = clock.monotonicMs();
    if (nowMs - (warnedAtMs.get(message) ?? -Infinity) < WARN_EVERY_MS) return;
    warnedAtMs.set(message, nowMs);
    logger.warn(message, fields);
  };
}

/** Speaks with the connections that it is given. It listens nowhere itself. */
class Speaker {
  readonly #server: Http1Server;
  readonly #sockets = new Set<Socket>();
  readonly #sessions = new Set<ServerHttp2Session>();

  constructor(fetch: Fetch, { http2, tls }: WebSettings, options: ListenerOptions, warn: Warn) {
    const headersTimeout = options.headersTimeoutMs ?? HTTP_LIMITS.headersTimeoutMs;
    const requestTimeout = options.requestTimeoutMs ?? HTTP_LIMITS.requestTimeoutMs;
    const timeouts = {
      headersTimeout,
      requestTimeout,
      keepAliveTimeout: HTTP_LIMITS.keepAliveMs,
      connectionsCheckingInterval: Math.min(5_000, headersTimeout / 2),
    };
    const answer = getRequestListener(fetch, {
      // For HTTP/1.0 clients, which send no Host.
      hostname: 'localhost',
      // The classes of fetch are those of the whole process, not ours to replace.
      overrideGlobalObjects: false,
    });
    const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
      void answer(request, response);
    };
    if (tls === null) {
      this.#server = createHttp1(timeouts, onRequest);
    } else {
      const second = http2 ? this.#http2(answer, requestTimeout) : null;
      const protocols = http2 ? ['h2', 'http/1.1'] : ['http/1.1'];
      this.#server = createHttps(
        {
          ...timeouts,
          ...serverOptions(tls),
          ALPNProtocols: protocols,
          handshakeTimeout: headersTimeout,
        },
        onRequest,
      );
      dispatch(this.#server, second, tls, warn);
    }
    // Node watches over the timeouts of a server from the moment it listens, and this one is given
    // its connections by another.
    this.#server.emit('listening');
  }

  take(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    this.#server.emit('connection', socket);
  }

  /** Lets answers under way leave, then cuts. */
  async close(): Promise<void> {
    // It listens nowhere, which is an error that nobody needs.
    this.#server.close(() => undefined);
    for (const session of this.#sessions) session.close();
    await new Promise<void>((resolve) => {
      const cut = setTimeout(() => {
        for (const socket of this.#sockets) socket.destroy();
      }, HTTP_LIMITS.drainMs);
      // A connection becomes idle when its answer has left; nothing tells, so we look.
      const look = setInterval(() => {
        this.#server.closeIdleConnections();
        if (this.#sockets.size > 0) return;
        clearInterval(look);
        clearTimeout(cut);
        resolve();
      }, LOOK_EVERY_MS);
    });
  }

  #http2(answer: ReturnType<typeof getRequestListener>, requestTimeoutMs: number): Http2Server {
    const server = createHttp2({
      settings: { enablePush: false, maxConcurrentStreams: HTTP_LIMITS.streamsPerConnection },
    });
    server.on('request', (request, response) => {
      request.stream.setTimeout(requestTimeoutMs, () => request.stream.close());
      void answer(request, response);
    });
    server.on('session', (session) => {
      this.#sessions.add(session);
      session.once('close', () => this.#sessions.delete(session));
      session.setTimeout(HTTP_LIMITS.keepAliveMs, () => session.close());
    });
    // A client that breaks the protocol loses its connection, and nobody else notices.
    server.on('sessionError', () => undefined);
    return server;
  }
}

function serverOptions({ clientAuth, context }: TlsSettings): object {
  const requestCert = clientAuth !== 'NoClientCert';
  return {
    ...context,
    requestCert,
    rejectUnauthorized: clientAuth === 'RequireAndVerifyClientCert',
    // A resumed session would show no certificate that can be judged.
    secureOptions: (context.secureOptions ?? 0) | (requestCert ? constants.SSL_OP_NO_TICKET : 0),
  };
}

/** Gives each connection to the protocol that was agreed on, after a look at its certificate. */
function dispatch(
  server: Http1Server,
  http2: Http2Server | null,
  tls: TlsSettings,
  warn: Warn,
): void {
  const [http1] = server.listeners('secureConnection');
  server.removeAllListeners('secureConnection');
  server.on('secureConnection', (socket: TLSSocket) => {
    const reason = certificateProblem(socket, tls);
    if (reason !== null) {
      warn('connection refused: certificate', { address: socket.remoteAddress, reason });
      socket.destroy();
    } else if (http2 !== null && socket.alpnProtocol === 'h2') {
      http2.emit('connection', socket);
    } else {
      http1?.call(server, socket);
    }
  });
}

/** Why a client may not connect; null when it may. */
function certificateProblem(
  socket: TLSSocket,
  { clientAuth, clientSans }: TlsSettings,
): string | null {
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) {
    return clientAuth.startsWith('Require') ? 'it shows none' : null;
  }
  if (clientAuth === 'VerifyClientCertIfGiven' && !socket.authorized) {
    return String(socket.authorizationError);
  }
  if (clientSans === null) return null;
  const names = namesIn(certificate.subjectAltName ?? '');
  return clientSans.some((name) => names.includes(name)) ? null : 'it names nobody who is allowed';
}

/** What a subjectAltName names, without the kinds. An entry in quotes could pretend to be several. */
function namesIn(subjectAltName: string): string[] {
  const entries = subjectAltName.match(/(?:[^,"]|"(?:[^"\\]|\\.)*")+/g) ?? [];
  return entries.map((entry) => entry.trim().replace(/^[^:]*:/, ''));
}

function addressOf(server: Server): string {
  const { address, family, port } = server.address() as AddressInfo;
  return family === 'IPv6' ? `[${address}]:${port}` : `${address}:${port}`;
}
