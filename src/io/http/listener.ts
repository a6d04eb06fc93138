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
  STATUS_CODES,
  type IncomingMessage,
  type Server as Http1Server,
  type ServerResponse,
} from 'node:http';
import { createServer as createHttp2, type Http2Server, type ServerHttp2Session } from 'node:http2';
import { createServer as createHttps } from 'node:https';
import type { Duplex } from 'node:stream';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { getRequestListener } from '@hono/node-server';
import type { Hono } from 'hono';
import type { Connections } from './connections.ts';
import type { ConnectionLimits } from './limits.ts';
import type { Incoming, Outgoing } from './exchange.ts';
import { HTTP_LIMITS } from './limits.ts';
import type { HttpCounters } from './counters.ts';
import type { HttpEnv } from './env.ts';
import type { HttpOptions } from './modules.ts';
import type { Warn } from './rarely.ts';
import type { IsUrgent } from './urgent.ts';
import type { TlsSettings, WebSettings } from './web-settings.ts';

type Fetch = Hono<HttpEnv>['fetch'];

interface ListenerParts {
  readonly connections: Connections;
  readonly counters: Pick<HttpCounters, 'connectionClosed' | 'connectionRefused' | 'overLimit'>;
  readonly isUrgent: IsUrgent;
  readonly limits: Pick<ConnectionLimits, 'headersTimeoutMs' | 'requestTimeoutMs'>;
  readonly warn: Warn;
}

const LOOK_EVERY_MS = 20;

export class Listener {
  readonly #port: Server;
  readonly #make: (settings: WebSettings) => ProtocolServer;
  #speaker: ProtocolServer;
  #fingerprint: string;

  constructor(fetch: Fetch, settings: WebSettings, parts: ListenerParts) {
    this.#make = (wanted) => new ProtocolServer(fetch, wanted, parts);
    this.#speaker = this.#make(settings);
    this.#fingerprint = fingerprintOf(settings);
    const sockets = {
      // As node:http makes its own sockets.
      allowHalfOpen: true,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: HTTP_LIMITS.keepAliveProbeMs,
    };
    this.#port = createServer(sockets, (socket) => this.#speaker.take(socket));
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

/** Speaks with the connections that it is given. It listens nowhere itself. */
class ProtocolServer {
  readonly #parts: ListenerParts;
  readonly #isTls: boolean;
  readonly #server: Http1Server;
  readonly #sockets = new Set<Socket>();
  readonly #sessions = new Set<ServerHttp2Session>();

  constructor(fetch: Fetch, { http2, tls }: WebSettings, parts: ListenerParts) {
    this.#parts = parts;
    this.#isTls = tls !== null;
    const { headersTimeoutMs, requestTimeoutMs } = parts.limits;
    const timeouts = {
      headersTimeout: headersTimeoutMs,
      requestTimeout: requestTimeoutMs,
      keepAliveTimeout: HTTP_LIMITS.keepAliveMs,
      connectionsCheckingInterval: Math.min(1_000, headersTimeoutMs / 2),
    };
    const answer = getRequestListener(fetch, {
      // For HTTP/1.0 clients, which send no Host.
      hostname: 'localhost',
      // The classes of fetch are those of the whole process, not ours to replace.
      overrideGlobalObjects: false,
    });
    const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
      if (this.#begins(request, response)) void answer(request, response);
    };
    if (tls === null) {
      this.#server = createHttp1(timeouts, onRequest);
    } else {
      const second = http2 ? this.#http2(answer) : null;
      const protocols = http2 ? ['h2', 'http/1.1'] : ['http/1.1'];
      this.#server = createHttps(
        {
          ...timeouts,
          ...serverOptions(tls),
          ALPNProtocols: protocols,
          // Ours counts from the first byte, and this one is the second to notice.
          handshakeTimeout: 2 * headersTimeoutMs,
        },
        onRequest,
      );
      this.#dispatch(second, tls);
    }
    this.#watchFaults();
    // Node watches over the timeouts of a server from the moment it listens, and this one is given
    // its connections by another.
    this.#server.emit('listening');
  }

  take(socket: Socket): void {
    if (!this.#parts.connections.admit(socket, this.#isTls)) return;
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

  #http2(answer: ReturnType<typeof getRequestListener>): Http2Server {
    const { connections, counters } = this.#parts;
    const server = createHttp2({
      settings: { enablePush: false, maxConcurrentStreams: HTTP_LIMITS.streamsPerConnection },
    });
    server.on('request', (request, response) => {
      if (this.#begins(request, response)) void answer(request, response);
    });
    server.on('session', (session) => {
      this.#sessions.add(session);
      connections.attach(session, session.socket);
      session.once('close', () => this.#sessions.delete(session));
      session.setTimeout(HTTP_LIMITS.keepAliveMs, () => {
        counters.connectionClosed('idle-timeout');
        session.close();
      });
    });
    // A client that breaks the protocol loses its connection, and nobody else notices.
    server.on('sessionError', (error: NodeJS.ErrnoException) => {
      if (error.code?.startsWith('ERR_HTTP2') === true) counters.connectionClosed('malformed');
    });
    return server;
  }

  /** Whether a request goes on to its route; if not, it has its answer. */
  #begins(request: Incoming, response: Outgoing): boolean {
    const { connections, counters, isUrgent } = this.#parts;
    const exchange = connections.begin(request, response);
    if (exchange === null) {
      response.destroy();
      return false;
    }
    const { connection, stream } = exchange;
    const isPipelined =
      stream === null && connection.exchanges.size > HTTP_LIMITS.pipelinedRequests;
    if (connection.isReserved || isPipelined) closeAfter(response);
    if (isPipelined) {
      counters.overLimit('pipelined-requests');
      refuse(
        response,
        `over ${HTTP_LIMITS.pipelinedRequests} requests of one connection under way`,
      );
      return false;
    }
    if (connection.isReserved && !isUrgent(request.method ?? '', request.url ?? '')) {
      counters.overLimit('connections');
      refuse(
        response,
        'too many connections are open: probes and pushes are served, send it again',
      );
      return false;
    }
    return true;
  }

  /** Gives each connection to the protocol that was agreed on, after a look at its certificate. */
  #dispatch(http2: Http2Server | null, tls: TlsSettings): void {
    const { connections, counters, warn } = this.#parts;
    const server = this.#server;
    const [http1] = server.listeners('secureConnection');
    server.removeAllListeners('secureConnection');
    server.on('secureConnection', (socket: TLSSocket) => {
      const connection = connections.attach(socket, socket);
      if (connection !== null) connection.isHandshaking = false;
      const reason = certificateProblem(socket, tls);
      if (reason !== null) {
        counters.connectionRefused('certificate');
        warn('connection refused: certificate', { address: socket.remoteAddress, reason });
        socket.destroy();
      } else if (http2 !== null && socket.alpnProtocol === 'h2') {
        // A session has no use for half a connection, and would keep its streams for ever.
        socket.allowHalfOpen = false;
        http2.emit('connection', socket);
      } else {
        http1?.call(server, socket);
      }
    });
  }

  /** Closes and counts what Node's own timeouts and parser report. */
  #watchFaults(): void {
    const { connections } = this.#parts;
    this.#server.on('timeout', (socket: Socket) => {
      const connection = connections.of(socket);
      if (connection !== null) connections.close(connection, 'idle-timeout');
      socket.destroy();
    });
    this.#server.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex) => {
      const connection = connections.of(socket);
      if (connection === null) return void socket.destroy();
      const isBusy = connection.exchanges.size > 0;
      const isCutOff = error.code === 'ECONNRESET' || error.code === 'EPIPE';
      if (!isCutOff && !isBusy && socket.writable) {
        const status = statusOf(error);
        socket.write(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\n\r\n`);
      }
      // A client that has left was not closed by us.
      if (isCutOff || error.code === 'HPE_INVALID_EOF_STATE') socket.destroy();
      else if (error.code !== 'ERR_HTTP_REQUEST_TIMEOUT')
        connections.close(connection, 'malformed');
      else connections.close(connection, isBusy ? 'request-timeout' : 'header-timeout');
    });
  }
}

/** As Node answers when nobody listens. */
function statusOf({ code }: NodeJS.ErrnoException): number {
  if (code === 'HPE_HEADER_OVERFLOW') return 431;
  if (code === 'HPE_CHUNK_EXTENSIONS_OVERFLOW') return 413;
  return code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 408 : 400;
}

/** Lets a connection end when this answer has left. */
function closeAfter(response: Outgoing): void {
  if (!('stream' in response)) {
    response.setHeader('Connection', 'close');
    return;
  }
  const { session } = response.stream;
  response.stream.once('close', () => session?.close());
}

/** An answer without a route, which costs next to nothing. */
function refuse(response: Outgoing, message: string): void {
  const head = { 'Content-Type': 'application/json', 'Retry-After': '1' };
  response.writeHead(503, head);
  response.end(JSON.stringify(message));
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
