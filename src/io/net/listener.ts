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
import { hasChecksum, type BlockProblem, type Seals } from './blocks.ts';
import { certificateProblem, type TlsSide } from './certificates.ts';
import {
  challengePayload,
  decodeHello,
  decodeProof,
  decodeSecretHello,
  encodeAnswer,
  HELLO_BYTES_MAX,
  PLAIN_VERSION,
  provenPayload,
  refused,
  SECRET_VERSION,
  secretBlock,
  versionOf,
  type Answer,
  type Hello,
  type RefusalCode,
  type Version,
} from './hello.ts';
import { Inbound } from './inbound.ts';
import { transcriptOf, type Key, type Keyring } from './secret.ts';
import type { QuietLines } from './quiet-lines.ts';

export interface PeerListener {
  /** HOST:PORT as it really listens. */
  readonly address: string;
  /** Connections that were refused, for whatever reason. */
  readonly refusals: number;
  close(): Promise<void>;
}

export interface ListenerOptions extends HostPort {
  /** Takes over a connection whose hello can be read, and whose certificate fits it. */
  onHello(hello: Hello, visitor: Visitor): void;
}

/** A connection with a hello. */
export interface Visitor {
  readonly inbound: Inbound;
  /** With a secret: how the frames of this connection are guarded, and by which secret. */
  readonly session: Session | null;
  /** An answer as it must be sent on this connection. */
  readonly encode: (answer: Answer) => Uint8Array;
  /** Tells it why it cannot come in. */
  readonly refuse: (code: PeerRefusal, sentence: string) => void;
  /** It may stay, for as long as it likes. */
  readonly admit: () => void;
  /** It gets its answer within this time, or goes. */
  readonly mayWait: (limitMs: number) => void;
}

type PeerRefusal = Exclude<RefusalCode, 'superseded'>;

export interface Session {
  readonly keyId: string;
  readonly seals: Seals;
}

/** Who is let in. */
export interface Trust {
  /** The secrets that are accepted; null for a cluster without one. */
  readonly keyring: Keyring | null;
  /** Whether members without a secret are let in beside those with one. */
  readonly acceptsPlain: boolean;
}

export interface ListenerModules {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly lines: QuietLines;
  readonly tls: TlsSide | null;
  /** Asked at each hello: secrets change while the node runs. */
  readonly trust: () => Trust;
}

/** A hello takes a round trip or three; a busy process, a second. */
export const HELLO_LIMIT_MS = 3_000;

/** Connections that have not said who they are. One more sends the oldest away. */
const PENDING_MAX = 128;

const KEEP_ALIVE_MS = 10_000;

/** The first byte of every TLS connection. */
const TLS_HANDSHAKE = 0x16;

interface PendingConnection {
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
  const acceptor = new PeerAcceptor(options, modules);
  server.on('connection', (raw) => acceptor.arrived(raw));
  server.listen(options.port, options.host);
  await once(server, 'listening');
  server.on('error', ({ message }) => modules.logger.warn('peer port failed', { message }));
  return {
    address: boundAddress(server.address() as AddressInfo),
    get refusals() {
      return acceptor.refusals;
    },
    close: () => closed(server, acceptor),
  };
}

async function closed(server: Server, acceptor: PeerAcceptor): Promise<void> {
  const ended = new Promise((resolve) => server.close(resolve));
  acceptor.close();
  await ended;
}

class PeerAcceptor {
  readonly #options: ListenerOptions;
  readonly #modules: ListenerModules;
  readonly #tlsServer: TlsServer | null;
  /** By the far end of their connection, the oldest first. */
  readonly #pending = new Map<string, PendingConnection>();
  refusals = 0;

  constructor(options: ListenerOptions, modules: ListenerModules) {
    this.#options = options;
    this.#modules = modules;
    this.#tlsServer = modules.tls === null ? null : this.#tlsServerOf(modules.tls);
  }

  arrived(raw: Socket): void {
    const pending: PendingConnection = {
      key: farEnd(raw),
      raw,
      remoteHost: remoteHostOf(raw.remoteAddress),
      settled: false,
      cancelLimit: () => undefined,
    };
    // A reset is how some say goodbye; `close` follows either way.
    raw.on('error', () => undefined);
    raw.on('close', () => this.#left(pending));
    this.#pending.set(pending.key, pending);
    this.#limit(pending, HELLO_LIMIT_MS);
    this.#sendOldestAway();
    if (this.#tlsServer === null) this.#readHello(pending, raw);
    else this.#sniff(pending, this.#tlsServer);
  }

  /** `encode` for somebody that has proved nothing: without proof. */
  #refuse(
    inbound: Inbound,
    code: PeerRefusal,
    sentence: string,
    encode: (answer: Answer) => Uint8Array,
  ): void {
    const facts = { from: inbound.remoteHost, reason: sentence };
    this.refusals++;
    if (code !== 'retry') this.#modules.lines.warn(sentence, 'peer refused', facts);
    else this.#modules.logger.debug('peer put off', facts);
    inbound.part(encode(refused(code, sentence)));
  }

  close(): void {
    for (const { raw, cancelLimit } of this.#pending.values()) {
      cancelLimit();
      raw.destroy();
    }
  }

  /** Tells TLS from others by the first byte, so that others can be told what they lack. */
  #sniff(pending: PendingConnection, tlsServer: TlsServer): void {
    const { raw } = pending;
    raw.once('readable', () => {
      const chunk = raw.read() as Buffer | null;
      // It ended, or was sent away.
      if (chunk === null) return;
      raw.unshift(chunk);
      if (chunk[0] === TLS_HANDSHAKE) {
        tlsServer.emit('connection', raw);
        return;
      }
      this.#sendAway(pending, PLAIN_HERE_TLS);
      raw.resume().end(encodeAnswer(refused('refused', PLAIN_HERE_TLS)));
    });
  }

  #tlsServerOf(tls: TlsSide): TlsServer {
    const server = tls.createServer(HELLO_LIMIT_MS);
    server.on('secureConnection', (socket) => {
      const pending = this.#pending.get(farEnd(socket));
      if (pending === undefined) socket.destroy();
      else this.#readHello(pending, socket);
    });
    server.on('tlsClientError', (error, socket) => {
      // Without one, the connection has closed already, which is logged.
      const pending = this.#pending.get(farEnd(socket));
      const { code = error.message } = error as NodeJS.ErrnoException;
      if (pending !== undefined) this.#sendAway(pending, `TLS fails: ${code}`);
      socket.destroy();
    });
    return server;
  }

  #readHello(pending: PendingConnection, socket: Socket): void {
    let version: Version = PLAIN_VERSION;
    const inbound = new Inbound({
      socket,
      remoteHost: pending.remoteHost,
      expected: {
        accepts: (tag) => {
          const spoken = versionOf(tag);
          // Without a secret the refusal says, by its version, that there is none here.
          const hasSecret = this.#modules.trust().keyring !== null;
          version = spoken === SECRET_VERSION && hasSecret ? SECRET_VERSION : PLAIN_VERSION;
          return this.#problemOfVersion(spoken) === null;
        },
        isWhole: hasChecksum,
        sizeBytesMax: HELLO_BYTES_MAX,
        take: (payload) => {
          if (version === SECRET_VERSION) this.#challenge(payload, inbound, pending);
          else this.#greet(() => decodeHello(payload), inbound, pending, null);
        },
      },
      onProblem: (problem) => {
        pending.settled = true;
        this.#refuse(inbound, 'refused', this.#problemText(problem), unproven(version));
      },
    });
  }

  /** Why this version is not spoken here, or null. Null also stands for no Tocsin at all. */
  #problemOfVersion(version: number | null): string | null {
    const { keyring, acceptsPlain } = this.#modules.trust();
    if (version === SECRET_VERSION && keyring !== null) return null;
    if (version === PLAIN_VERSION && (keyring === null || acceptsPlain)) return null;
    if (version === PLAIN_VERSION) return NONE_HERE_SECRET;
    const spoken = keyring === null ? PLAIN_VERSION : SECRET_VERSION;
    const what = version === SECRET_VERSION ? SECRET_HERE_NONE : OTHER_RELEASE;
    return `version ${version} of the peer protocol was spoken to a member that speaks version ${spoken}: ${what}`;
  }

  /** Has somebody with a secret prove it before anything that it says is looked at. */
  #challenge(payload: Uint8Array, inbound: Inbound, pending: PendingConnection): void {
    const refuse = (problem: string): void => {
      pending.settled = true;
      this.#refuse(inbound, 'refused', problem, unproven(SECRET_VERSION));
    };
    let read: ReturnType<typeof decodeSecretHello>;
    try {
      read = decodeSecretHello(payload);
    } catch (error) {
      refuse(unreadable(error));
      return;
    }
    const key = this.#modules.trust().keyring?.common(read.keys) ?? null;
    if (key === null) {
      refuse(NO_COMMON_SECRET);
      return;
    }
    const asked = challengePayload(key.id);
    const transcript = transcriptOf(payload, asked);
    inbound.passTo({
      expected: {
        accepts: (tag) => versionOf(tag) === SECRET_VERSION,
        isWhole: hasChecksum,
        sizeBytesMax: HELLO_BYTES_MAX,
        take: (answer) => {
          if (isProofOf(key, answer, transcript)) {
            this.#greet(() => read.hello, inbound, pending, { key, transcript });
          } else {
            refuse(NO_PROOF);
          }
        },
      },
      onProblem: (problem) => refuse(this.#problemText(problem)),
      onClose: () => undefined,
    });
    inbound.write(secretBlock(asked));
  }

  #greet(
    read: () => Hello,
    inbound: Inbound,
    pending: PendingConnection,
    proved: Proved | null,
  ): void {
    pending.settled = true;
    const encode = proved === null ? unproven(PLAIN_VERSION) : provenBy(proved);
    const refuse = (code: PeerRefusal, sentence: string): void =>
      this.#refuse(inbound, code, sentence, encode);
    let hello: Hello;
    try {
      hello = read();
    } catch (error) {
      refuse('refused', unreadable(error));
      return;
    }
    // Whatever still comes belongs to whoever takes the connection over.
    inbound.passTo({
      expected: {
        accepts: (tag) => versionOf(tag) !== null,
        isWhole: hasChecksum,
        sizeBytesMax: HELLO_BYTES_MAX,
        take: () => refuse('refused', 'a second hello came on one connection'),
      },
      onProblem: (problem) => refuse('refused', this.#problemText(problem)),
      onClose: () => undefined,
    });
    const named = hello.kind === 'peer' ? hello : hello.applicant;
    const problem = certificateProblem(inbound.socket, named);
    if (problem !== null) {
      refuse('refused', problem);
      return;
    }
    this.#options.onHello(hello, {
      inbound,
      session: proved === null ? null : sessionOf(proved),
      encode,
      refuse,
      admit: () => this.#forget(pending),
      mayWait: (limitMs) => this.#limit(pending, limitMs),
    });
  }

  #problemText(problem: BlockProblem): string {
    switch (problem.kind) {
      case 'checksum':
        return 'a hello with a wrong checksum';
      case 'size':
        return `a hello of ${problem.sizeBytes} bytes, at most ${problem.sizeBytesMax} are taken`;
      case 'tag': {
        const version = versionOf(problem.tag);
        const told = version === null ? null : this.#problemOfVersion(version);
        if (told !== null) return told;
        return problem.tag[0] === TLS_HANDSHAKE
          ? TLS_HERE_PLAIN
          : 'it does not speak the peer protocol of Tocsin';
      }
    }
  }

  /** For those who are told nothing, or nothing more. */
  #sendAway(pending: PendingConnection, reason: string): void {
    pending.settled = true;
    this.refusals++;
    this.#modules.lines.warn(reason, 'peer refused', { from: pending.remoteHost, reason });
  }

  #limit(pending: PendingConnection, limitMs: number): void {
    pending.cancelLimit();
    pending.cancelLimit = this.#modules.clock.after(limitMs, () => {
      if (!pending.settled) this.#sendAway(pending, `no hello within ${limitMs / 1_000} s`);
      pending.raw.destroy();
    });
  }

  #sendOldestAway(): void {
    const [oldest] = this.#pending.values();
    if (this.#pending.size <= PENDING_MAX || oldest === undefined) return;
    if (!oldest.settled) this.#sendAway(oldest, `over ${PENDING_MAX} have not said who they are`);
    oldest.raw.destroy();
  }

  /** It went by itself, or was sent away. */
  #left(pending: PendingConnection): void {
    this.#forget(pending);
    // A bare connection is how other programs see whether a port is open; that is no news.
    if (pending.settled || pending.raw.bytesRead === 0) return;
    this.#sendAway(pending, this.#tlsServer === null ? LEFT_EARLY : LEFT_EARLY_WITH_TLS);
  }

  #forget(pending: PendingConnection): void {
    pending.cancelLimit();
    if (this.#pending.get(pending.key) === pending) this.#pending.delete(pending.key);
  }
}

const PLAIN_HERE_TLS =
  'a connection without TLS came to a member with TLS: all members need certificates of one CA, or none';
const TLS_HERE_PLAIN =
  'a connection with TLS came to a member without TLS: all members need certificates of one CA, or none';
const LEFT_EARLY = 'it went before the end of its hello';
const LEFT_EARLY_WITH_TLS = `${LEFT_EARLY}: perhaps it does not trust the certificate of this node`;

const SECRET_HERE_NONE =
  'it has a secret, and this member has none: give all members the same --cluster-secret-file, or none';
const OTHER_RELEASE = 'run the same release on all members, or releases one step apart';
const NONE_HERE_SECRET =
  'a connection without a secret came to a member with one: give all members the same --cluster-secret-file';
const NO_COMMON_SECRET =
  'it has another secret: all members need one in common in their --cluster-secret-file';
const NO_PROOF = 'it does not prove that it has the secret that it names';

/** A conversation in which the other side has proved that it has the secret. */
interface Proved {
  readonly key: Key;
  readonly transcript: Uint8Array;
}

function isProofOf(key: Key, payload: Uint8Array, transcript: Uint8Array): boolean {
  try {
    return key.isProof(decodeProof(payload), 'dialler', transcript);
  } catch {
    return false;
  }
}

function sessionOf({ key, transcript }: Proved): Session {
  return { keyId: key.id, seals: key.sealsFor('host', transcript) };
}

function unproven(version: Version): (answer: Answer) => Uint8Array {
  return (answer) => encodeAnswer(answer, version);
}

function provenBy({ key, transcript }: Proved): (answer: Answer) => Uint8Array {
  return (answer) => {
    const prove = (bytes: Uint8Array) => key.proofOf('host', transcriptOf(transcript, bytes));
    return secretBlock(provenPayload(answer, prove));
  };
}

function unreadable(error: unknown): string {
  return `a hello that cannot be read: ${(error as Error).message}`;
}

/** Two connections cannot have the same far end. */
function farEnd({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}
