/**
 * The peer port: takes connections, and reads from each the hello that says who is there.
 *
 * Promise: whoever does not say within seconds who it is, or says it wrongly, is told why in a
 * sentence and let go; strangers cost 4 KiB each and cannot take all the room. With TLS on, nothing
 * but a refusal is said to somebody whose certificate was not found good.
 */

import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import type { Server as TlsServer } from 'node:tls';
import type { Clock, Logger } from '../ports.ts';
import { boundAddress, remoteHostOf, type HostPort } from './addresses.ts';
import type { BlockProblem } from './blocks.ts';
import { certificateProblem, type TlsSide } from './certificates.ts';
import {
  decodeHello,
  encodeAnswer,
  HELLO_BYTES_MAX,
  PROTOCOL_VERSION,
  refused,
  versionOf,
  type Hello,
} from './hello.ts';
import { Inbound } from './inbound.ts';
import type { QuietLines } from './quiet-lines.ts';

export interface PeerListener {
  /** HOST:PORT as it really listens. */
  readonly address: string;
  /** Connections that were refused, for whatever reason. */
  readonly refusals: number;
  /** Tells somebody that has said hello why it cannot come in. */
  refuse(inbound: Inbound, code: 'retry' | 'refused', sentence: string): void;
  close(): Promise<void>;
}

export interface ListenerOptions extends HostPort {
  /** Takes over a connection whose hello can be read, and whose certificate fits it. */
  onHello(hello: Hello, visitor: Visitor): void;
}

/** A connection with a hello. */
export interface Visitor {
  readonly inbound: Inbound;
  /** It may stay, for as long as it likes. */
  readonly admit: () => void;
  /** It gets its answer within this time, or goes. */
  readonly mayWait: (limitMs: number) => void;
}

export interface ListenerModules {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly lines: QuietLines;
  readonly tls: TlsSide | null;
}

/** A hello takes a round trip or three; a busy process, a second. */
export const HELLO_LIMIT_MS = 3_000;

/** Connections that have not said who they are. One more sends the oldest away. */
const GUESTS_MAX = 128;

const KEEP_ALIVE_MS = 10_000;

/** The first byte of every TLS connection. */
const TLS_HANDSHAKE = 0x16;

interface Guest {
  /** The far end of its connection, which a closed socket does not know any more. */
  readonly key: string;
  readonly raw: Socket;
  readonly remoteHost: string;
  /** It has said hello, or was told why it cannot stay. */
  settled: boolean;
  cancelLimit: () => void;
}

/** Rejects when the address cannot be listened on. */
export async function listenForPeers(
  options: ListenerOptions,
  modules: ListenerModules,
): Promise<PeerListener> {
  const server = createServer({
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: KEEP_ALIVE_MS,
  });
  const door = new Door(options, modules);
  server.on('connection', (raw) => door.arrived(raw));
  server.listen(options.port, options.host);
  await once(server, 'listening');
  server.on('error', ({ message }) => modules.logger.warn('peer port failed', { message }));
  return {
    address: boundAddress(server.address() as AddressInfo),
    get refusals() {
      return door.refusals;
    },
    refuse: (inbound, code, sentence) => door.refuse(inbound, code, sentence),
    close: () => closed(server, door),
  };
}

async function closed(server: Server, door: Door): Promise<void> {
  const ended = new Promise((resolve) => server.close(resolve));
  door.close();
  await ended;
}

class Door {
  readonly #options: ListenerOptions;
  readonly #modules: ListenerModules;
  readonly #tlsServer: TlsServer | null;
  /** By the far end of their connection, the oldest first. */
  readonly #guests = new Map<string, Guest>();
  refusals = 0;

  constructor(options: ListenerOptions, modules: ListenerModules) {
    this.#options = options;
    this.#modules = modules;
    this.#tlsServer = modules.tls === null ? null : this.#tlsServerOf(modules.tls);
  }

  arrived(raw: Socket): void {
    const guest: Guest = {
      key: farEnd(raw),
      raw,
      remoteHost: remoteHostOf(raw.remoteAddress),
      settled: false,
      cancelLimit: () => undefined,
    };
    // A reset is how some say goodbye; `close` follows either way.
    raw.on('error', () => undefined);
    raw.on('close', () => this.#left(guest));
    this.#guests.set(guest.key, guest);
    this.#limit(guest, HELLO_LIMIT_MS);
    this.#sendOldestAway();
    if (this.#tlsServer === null) this.#readHello(guest, raw);
    else this.#sniff(guest, this.#tlsServer);
  }

  refuse(inbound: Inbound, code: 'retry' | 'refused', sentence: string): void {
    const facts = { from: inbound.remoteHost, reason: sentence };
    this.refusals++;
    if (code === 'refused') this.#modules.lines.warn(sentence, 'peer refused', facts);
    else this.#modules.logger.debug('peer put off', facts);
    inbound.part(encodeAnswer(refused(code, sentence)));
  }

  close(): void {
    for (const { raw, cancelLimit } of this.#guests.values()) {
      cancelLimit();
      raw.destroy();
    }
  }

  /** Tells TLS from others by the first byte, so that others can be told what they lack. */
  #sniff(guest: Guest, tlsServer: TlsServer): void {
    const { raw } = guest;
    raw.once('readable', () => {
      const chunk = raw.read() as Buffer | null;
      // It ended, or was sent away.
      if (chunk === null) return;
      raw.unshift(chunk);
      if (chunk[0] === TLS_HANDSHAKE) {
        tlsServer.emit('connection', raw);
        return;
      }
      this.#sendAway(guest, PLAIN_HERE_TLS);
      raw.resume().end(encodeAnswer(refused('refused', PLAIN_HERE_TLS)));
    });
  }

  #tlsServerOf(tls: TlsSide): TlsServer {
    const server = tls.createServer(HELLO_LIMIT_MS);
    server.on('secureConnection', (socket) => {
      const guest = this.#guests.get(farEnd(socket));
      if (guest === undefined) socket.destroy();
      else this.#readHello(guest, socket);
    });
    server.on('tlsClientError', (error, socket) => {
      // Without a guest it has gone already, and that was told.
      const guest = this.#guests.get(farEnd(socket));
      const { code = error.message } = error as NodeJS.ErrnoException;
      if (guest !== undefined) this.#sendAway(guest, `TLS fails: ${code}`);
      socket.destroy();
    });
    return server;
  }

  #readHello(guest: Guest, socket: Socket): void {
    let greeted = false;
    const inbound = new Inbound({
      socket,
      remoteHost: guest.remoteHost,
      expected: {
        accepts: (tag) => versionOf(tag) === PROTOCOL_VERSION,
        sizeBytesMax: HELLO_BYTES_MAX,
        take: (payload) => {
          guest.settled = true;
          if (!greeted) this.#greet(payload, inbound, guest);
          else this.refuse(inbound, 'refused', 'a second hello came on one connection');
          greeted = true;
        },
      },
      onProblem: (problem) => {
        guest.settled = true;
        this.refuse(inbound, 'refused', problemText(problem));
      },
    });
  }

  #greet(payload: Uint8Array, inbound: Inbound, guest: Guest): void {
    let hello: Hello;
    try {
      hello = decodeHello(payload);
    } catch (error) {
      this.refuse(inbound, 'refused', `a hello that cannot be read: ${(error as Error).message}`);
      return;
    }
    const named = hello.kind === 'peer' ? hello : hello.applicant;
    const problem = certificateProblem(inbound.socket, named);
    if (problem !== null) {
      this.refuse(inbound, 'refused', problem);
      return;
    }
    this.#options.onHello(hello, {
      inbound,
      admit: () => this.#forget(guest),
      mayWait: (limitMs) => this.#limit(guest, limitMs),
    });
  }

  /** For those who are told nothing, or nothing more. */
  #sendAway(guest: Guest, reason: string): void {
    guest.settled = true;
    this.refusals++;
    this.#modules.lines.warn(reason, 'peer refused', { from: guest.remoteHost, reason });
  }

  #limit(guest: Guest, limitMs: number): void {
    guest.cancelLimit();
    guest.cancelLimit = this.#modules.clock.after(limitMs, () => {
      if (!guest.settled) this.#sendAway(guest, `no hello within ${limitMs / 1_000} s`);
      guest.raw.destroy();
    });
  }

  #sendOldestAway(): void {
    const [oldest] = this.#guests.values();
    if (this.#guests.size <= GUESTS_MAX || oldest === undefined) return;
    if (!oldest.settled) this.#sendAway(oldest, `over ${GUESTS_MAX} have not said who they are`);
    oldest.raw.destroy();
  }

  /** It went by itself, or was sent away. */
  #left(guest: Guest): void {
    this.#forget(guest);
    // A bare connection is how other programs see whether a port is open; that is no news.
    if (guest.settled || guest.raw.bytesRead === 0) return;
    this.#sendAway(guest, this.#tlsServer === null ? LEFT_EARLY : LEFT_EARLY_WITH_TLS);
  }

  #forget(guest: Guest): void {
    guest.cancelLimit();
    if (this.#guests.get(guest.key) === guest) this.#guests.delete(guest.key);
  }
}

const PLAIN_HERE_TLS =
  'a connection without TLS came to a member with TLS: all members need certificates of one CA, or none';
const TLS_HERE_PLAIN =
  'a connection with TLS came to a member without TLS: all members need certificates of one CA, or none';
const LEFT_EARLY = 'it went before the end of its hello';
const LEFT_EARLY_WITH_TLS = `${LEFT_EARLY}: perhaps it does not trust the certificate of this node`;

function problemText(problem: BlockProblem): string {
  switch (problem.kind) {
    case 'checksum':
      return 'a hello with a wrong checksum';
    case 'size':
      return `a hello of ${problem.sizeBytes} bytes, at most ${problem.sizeBytesMax} are taken`;
    case 'tag':
      return strangerText(problem.tag);
  }
}

function strangerText(tag: Uint8Array): string {
  const version = versionOf(tag);
  if (version !== null) {
    return `version ${version} of the peer protocol was spoken to a member that speaks version ${PROTOCOL_VERSION}: run the same release on all members, or releases one step apart`;
  }
  return tag[0] === TLS_HANDSHAKE
    ? TLS_HERE_PLAIN
    : 'it does not speak the peer protocol of Tocsin';
}

/** Two connections cannot have the same far end. */
function farEnd({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}
