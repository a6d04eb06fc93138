/**
 * All connections of the HTTP port: which are accepted, which are closed to make room, and which
 * have waited for their client for too long.
 *
 * Promise: there are never more than {@link HTTP_LIMITS.connections}, of one client never more than
 * {@link HTTP_LIMITS.connectionsPerAddress}, and a few beyond both for probes, the leader lookup and
 * pushes. The one that has waited longest for a request makes room; one with a request under way
 * never does. Each refusal and each closing is counted by its reason.
 */

import type { Socket } from 'node:net';
import type { Clock } from '../ports.ts';
import { networkOf, type TrustedProxies } from './client-address.ts';
import type { HttpCounters } from './counters.ts';
import { Connection, Exchange, type Incoming, type Outgoing } from './exchange.ts';
import { HTTP_LIMITS, type ClosingReason, type ConnectionLimits } from './limits.ts';

export interface ConnectionModules {
  readonly clock: Pick<Clock, 'monotonicMs' | 'after'>;
  readonly counters: Pick<
    HttpCounters,
    'connectionClosed' | 'connectionRefused' | 'connectionsOpen'
  >;
  readonly trusted: TrustedProxies;
  readonly warn: (message: string, fields: Readonly<Record<string, unknown>>) => void;
}

const LOOK_EVERY_MS = 1_000;

export class Connections {
  readonly #limits: ConnectionLimits;
  readonly #modules: ConnectionModules;
  readonly #open = new Set<Connection>();
  readonly #reserved = new Set<Connection>();
  /** Those without a request under way; the one that has waited longest comes first. */
  readonly #waiting = new Set<Connection>();
  /** Connections that count for the limit of one client: no reserved ones, and none of trusted proxies. */
  readonly #byNetwork = new Map<string, number>();
  readonly #byEnds = new Map<string, Connection>();
  readonly #byUpper = new WeakMap<object, Connection>();
  readonly #exchanges = new WeakMap<object, Exchange>();
  #isLooking = false;

  constructor(limits: ConnectionLimits, modules: ConnectionModules) {
    this.#limits = limits;
    this.#modules = modules;
  }

  /** Takes a socket that was accepted; false when it is refused, and closed. */
  admit(raw: Socket, isHandshaking: boolean): boolean {
    const { clock, counters, trusted, warn } = this.#modules;
    const { remoteAddress } = raw;
    const ends = endsOf(raw);
    if (remoteAddress === undefined || ends === null) {
      raw.destroy();
      return false;
    }
    const network = networkOf(remoteAddress);
    const isTrusted = trusted.has(remoteAddress);
    const isReserved = !this.#hasSpaceFor(isTrusted ? null : network);
    if (isReserved && !this.#freeReserved()) {
      counters.connectionRefused('reserve-full');
      warn('connection refused: too many are open', { address: remoteAddress });
      raw.destroy();
      return false;
    }
    const openedAtMs = clock.monotonicMs();
    const connection = new Connection({ raw, network, isTrusted, isReserved, openedAtMs });
    connection.isHandshaking = isHandshaking;
    this.#open.add(connection);
    this.#waiting.add(connection);
    this.#byEnds.set(ends, connection);
    this.#byUpper.set(raw, connection);
    if (isReserved) this.#reserved.add(connection);
    else if (!isTrusted) this.#byNetwork.set(network, (this.#byNetwork.get(network) ?? 0) + 1);
    counters.connectionsOpen(this.#open.size);
    raw.once('close', () => {
      this.#forget(connection);
      // A client may have connected again from the same port since this one was destroyed.
      if (this.#byEnds.get(ends) === connection) this.#byEnds.delete(ends);
    });
    this.#lookLater();
    return true;
  }

  /** Says that a TLS socket or an HTTP/2 session is spoken over the connection of `socket`. */
  attach(upper: object, socket: Ends): Connection | null {
    const ends = endsOf(socket);
    const connection = ends === null ? undefined : this.#byEnds.get(ends);
    if (connection === undefined) return null;
    this.#byUpper.set(upper, connection);
    return connection;
  }

  /** The connection of a socket or a session; null once it is closed. */
  of(upper: object | undefined): Connection | null {
    const connection = upper === undefined ? undefined : this.#byUpper.get(upper);
    return connection !== undefined && this.#open.has(connection) ? connection : null;
  }

  /** A request has begun; null when its connection is closed already. */
  begin(incoming: Incoming, outgoing: Outgoing): Exchange | null {
    const isStream = 'stream' in incoming;
    const connection = this.of(isStream ? incoming.stream.session : incoming.socket);
    if (connection === null) return null;
    const exchange = new Exchange(
      connection,
      incoming,
      outgoing,
      this.#modules.clock.monotonicMs(),
    );
    this.#exchanges.set(outgoing, exchange);
    this.#waiting.delete(connection);
    connection.hasSentRequest = true;
    exchange.onEnd(() => {
      if (connection.exchanges.size === 0 && this.#open.has(connection))
        this.#waiting.add(connection);
    });
    return exchange;
  }

  /** The exchange of a response that {@link begin} was given. */
  exchangeOf(outgoing: object): Exchange {
    const exchange = this.#exchanges.get(outgoing);
    if (exchange === undefined) throw new Error('a response that no connection has begun');
    return exchange;
  }

  close(connection: Connection, reason: ClosingReason): void {
    if (!this.#open.has(connection)) return;
    this.#modules.counters.connectionClosed(reason);
    this.#forget(connection);
    connection.raw.destroy();
  }

  /** Ends an exchange: a stream alone where streams share a connection that still moves. */
  cut(exchange: Exchange, reason: ClosingReason): void {
    if (exchange.isOver) return;
    if (exchange.stream === null) return this.close(exchange.connection, reason);
    this.#modules.counters.connectionClosed(reason);
    exchange.cancelStream();
    exchange.end();
  }

  /** Makes room where it can; `network` is null for a client that only the sum limits. */
  #hasSpaceFor(network: string | null): boolean {
    const { connections, connectionsPerAddress } = this.#limits;
    const isOverOwn =
      network !== null && (this.#byNetwork.get(network) ?? 0) >= connectionsPerAddress;
    if (isOverOwn) {
      // A proxy may stand in the IPv6 network of its neighbours, and is not one client with them.
      return this.#closeLongestWaiting((each) => !each.isTrusted && each.network === network);
    }
    const isOverSum = this.#open.size - this.#reserved.size >= connections;
    return !isOverSum || this.#closeLongestWaiting(() => true);
  }

  #closeLongestWaiting(isWanted: (connection: Connection) => boolean): boolean {
    const nowMs = this.#modules.clock.monotonicMs();
    for (const connection of this.#waiting) {
      if (connection.isReserved || !isWanted(connection)) continue;
      // Its first request is on its way. There is the reserve for whoever comes before that arrives.
      const isFresh = nowMs - connection.openedAtMs < HTTP_LIMITS.freshMs;
      if (isFresh && !connection.hasSentRequest) continue;
      const { network } = connection;
      this.#modules.warn('idle connection closed to make room', { address: network });
      this.close(connection, 'room');
      return true;
    }
    return false;
  }

  /** In the reserve a request that has not arrived whole makes room, too: it does nothing yet. */
  #freeReserved(): boolean {
    if (this.#reserved.size < this.#limits.reservedConnections) return true;
    for (const connection of this.#reserved) {
      if (connection.isBeingServed) continue;
      this.close(connection, 'room');
      return true;
    }
    return false;
  }

  #forget(connection: Connection): void {
    if (!this.#open.delete(connection)) return;
    this.#waiting.delete(connection);
    if (!this.#reserved.delete(connection) && !connection.isTrusted) {
      const left = (this.#byNetwork.get(connection.network) ?? 1) - 1;
      if (left === 0) this.#byNetwork.delete(connection.network);
      else this.#byNetwork.set(connection.network, left);
    }
    for (const exchange of connection.exchanges) exchange.end();
    this.#modules.counters.connectionsOpen(this.#open.size);
  }

  #lookLater(): void {
    if (this.#isLooking) return;
    this.#isLooking = true;
    this.#modules.clock.after(LOOK_EVERY_MS, () => this.#look());
  }

  /** Looks for clients that let a connection wait. */
  #look(): void {
    const { clock } = this.#modules;
    const nowMs = clock.monotonicMs();
    for (const connection of this.#open) this.#lookAt(connection, nowMs);
    this.#isLooking = false;
    if (this.#open.size > 0) this.#lookLater();
  }

  #lookAt(connection: Connection, nowMs: number): void {
    const { headersTimeoutMs, requestTimeoutMs } = this.#limits;
    const ageMs = nowMs - connection.openedAtMs;
    if (connection.isHandshaking && ageMs >= headersTimeoutMs) {
      return this.close(connection, 'handshake-timeout');
    }
    if (connection.isReserved && !connection.isBeingServed && ageMs >= HTTP_LIMITS.reservedMs) {
      return this.close(connection, 'request-timeout');
    }
    for (const exchange of connection.exchanges) {
      if (exchange.stalledMs(nowMs) >= exchange.stallMs) this.cut(exchange, 'write-timeout');
      // For HTTP/1.1 Node watches over it, and answers with 408.
      else if (
        exchange.stream !== null &&
        !exchange.isArrived &&
        nowMs - exchange.startedAtMs >= requestTimeoutMs
      ) {
        this.cut(exchange, 'request-timeout');
      }
    }
  }
}

type Ends = Pick<Socket, 'localAddress' | 'localPort' | 'remoteAddress' | 'remotePort'>;

/** Both ends of a connection name it, also through TLS and HTTP/2; null once it is closed. */
function endsOf({ localAddress, localPort, remoteAddress, remotePort }: Ends): string | null {
  if (remoteAddress === undefined || remotePort === undefined) return null;
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;
}
