/**
 * The world of a transport under test: members on real sockets of this machine, members that only
 * pretend, and clocks that run or stand.
 */

import { once } from 'node:events';
import net, { type AddressInfo, type Socket } from 'node:net';
import { BlockReader, hasChecksum } from '../../src/io/net/blocks.ts';
import {
  decodeAnswer,
  decodeHello,
  encodeAnswer,
  encodeHello,
  HELLO_BYTES_MAX,
  type Answer,
  type Hello,
  type PeerHello,
} from '../../src/io/net/hello.ts';
import {
  createTransport,
  type TcpTransport,
  type TransportOptions,
} from '../../src/io/net/transport.ts';
import type {
  JoinRequest,
  Clock,
  FrameProblem,
  JoinAnswer,
  PeerReceiver,
} from '../../src/io/ports.ts';
import { KeepingLogger, realClock } from '../monitors/world.ts';

const closers: (() => unknown)[] = [];

/** Undone by {@link endWorld}, the newest first. */
export function onEnd(close: () => unknown): void {
  closers.push(close);
}

export async function endWorld(): Promise<void> {
  for (const close of closers.splice(0).toReversed()) await close();
}

const LOOK_EVERY_MS = 2;

/** Resolves when the condition holds; one that never does ends in the time-out of the test. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
}

/** Keeps what a transport tells its node. */
class KeepingReceiver implements PeerReceiver {
  readonly frames: (readonly [from: string, text: string])[] = [];
  readonly sizes: number[] = [];
  readonly unreachable: string[] = [];
  readonly outdatedBy: string[] = [];
  readonly candidates: JoinRequest[] = [];
  readonly removed = new Map<string, string>();
  answer: () => Promise<JoinAnswer> = () => Promise.resolve({ ok: true, clusterId: 'cluster-1' });

  /** What is wrong with a frame of this text. */
  problemWith: (text: string) => FrameProblem | null = () => null;

  onFrame(from: string, frame: Uint8Array): FrameProblem | null {
    const text = Buffer.from(frame.subarray(0, 64)).toString();
    this.sizes.push(frame.length);
    this.frames.push([from, text]);
    return this.problemWith(text);
  }

  onUnreachable(to: string): void {
    this.unreachable.push(to);
  }

  onOutdated(by: string): void {
    this.outdatedBy.push(by);
  }

  refusalFor(nodeId: string): string | null {
    return this.removed.get(nodeId) ?? null;
  }

  onJoin(candidate: JoinRequest): Promise<JoinAnswer> {
    this.candidates.push(candidate);
    return this.answer();
  }
}

export interface Member {
  readonly nodeId: string;
  readonly transport: TcpTransport;
  readonly receiver: KeepingReceiver;
  readonly logger: KeepingLogger;
  readonly address: string;
  readonly port: number;
  send(to: string, text: string, channel?: 'control' | 'bulk'): void;
  /** The values that this field has in the log, in order. */
  logged(message: string, field: string): unknown[];
  /** Why peers were not reached, or did not let it in. */
  problems(): unknown[];
  isConnected(to: string): boolean;
}

export interface MemberOptions extends Partial<TransportOptions> {
  readonly clock?: Clock;
  /** False for a member whose node has not started yet. */
  readonly attached?: boolean;
}

let nonces = 0;

/** A member named `one`, `two` … with the node id `node-1`, `node-2` … */
export async function member(name: string, options: MemberOptions = {}): Promise<Member> {
  const { clock = realClock, attached = true, ...rest } = options;
  const logger = new KeepingLogger();
  const receiver = new KeepingReceiver();
  const transport = await createTransport(
    {
      host: '127.0.0.1',
      port: 0,
      advertise: null,
      clusterId: 'cluster-1',
      nodeId: nodeIdOf(name),
      name,
      incarnation: 1,
      tls: null,
      ...rest,
    },
    { clock, logger, random: { next: () => 0.5, uuid: () => `nonce-${nonces++}` } },
  );
  onEnd(() => transport.close());
  if (attached) transport.attach(receiver);
  const peerStats = (to: string) => transport.stats().peers.find(({ nodeId }) => nodeId === to);
  const logged = (message: string, field: string) =>
    logger.lines.filter((line) => line.message === message).map(({ fields }) => fields[field]);
  return {
    nodeId: nodeIdOf(name),
    transport,
    receiver,
    logger,
    address: transport.address,
    port: portOf(transport.address),
    send: (to, text, channel = 'control') => transport.send(to, Buffer.from(text), channel),
    logged,
    problems: () => [
      ...logged('refused by a peer', 'problem'),
      ...logged('peer not reached', 'problem'),
    ],
    isConnected: (to) => {
      const peer = peerStats(to);
      return peer !== undefined && peer.control.connected && peer.bulk.connected;
    },
  };
}

const NAMES = ['', 'one', 'two', 'three'];

function nodeIdOf(name: string): string {
  return `node-${NAMES.indexOf(name)}`;
}

export function portOf(address: string): number {
  return Number(address.split(':').at(-1));
}

/** Tells each member of all the others, and waits until all are connected with all. */
export async function connectAll(...members: readonly Member[]): Promise<void> {
  for (const { transport } of members) transport.setPeers(members);
  await until(() =>
    members.every((each) =>
      members.every((other) => other === each || each.isConnected(other.nodeId)),
    ),
  );
}

/** Connects, and gathers what comes back. */
export interface Caller {
  readonly socket: Socket;
  /** Resolves with all that came when the other side has closed. */
  readonly closed: Promise<Buffer>;
}

export async function call(port: number): Promise<Caller> {
  const socket = net.connect(port, '127.0.0.1');
  onEnd(() => socket.destroy());
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  socket.on('error', () => undefined);
  const closed = new Promise<Buffer>((resolve) => {
    socket.on('close', () => resolve(Buffer.concat(chunks)));
  });
  await once(socket, 'connect');
  return { socket, closed };
}

/** What a member says that is `two`, to `one`; parts may be changed. */
export function helloOf(changes: Partial<PeerHello> = {}): PeerHello {
  return {
    clusterId: 'cluster-1',
    nodeId: 'node-2',
    name: 'two',
    incarnation: 1,
    nonce: 'nonce of a pretender',
    to: 'node-1',
    channel: 'control',
    address: '127.0.0.1:1',
    ...changes,
  };
}

/** Says hello like a member, and resolves once it is answered. */
export async function greet(port: number, hello: PeerHello): Promise<Caller & { answer: Answer }> {
  const caller = await call(port);
  const answer = new Promise<Answer>((resolve) => {
    const reader = new BlockReader({
      accepts: () => true,
      isWhole: hasChecksum,
      sizeBytesMax: HELLO_BYTES_MAX,
      take: (payload) => {
        reader.stop();
        resolve(decodeAnswer(payload));
      },
    });
    caller.socket.on('data', (chunk: Buffer) => reader.read(chunk));
  });
  caller.socket.write(encodeHello({ kind: 'peer', ...hello }));
  return { ...caller, answer: await answer };
}

/** The sentence with which a hello is refused; the test fails when it is not. */
export async function refusalOf(port: number, hello: PeerHello): Promise<string> {
  const { answer, socket } = await greet(port, hello);
  socket.destroy();
  if (answer.kind !== 'refused') throw new Error(`not refused, but: ${answer.kind}`);
  return answer.message;
}

/** A member that somebody else wrote: takes connections, and does with them what the test says. */
export interface Pretender {
  readonly address: string;
  readonly sockets: Socket[];
  close(): void;
}

export async function pretender(
  greeted: (socket: Socket, hello: Hello) => void,
): Promise<Pretender> {
  const sockets: Socket[] = [];
  const server = net.createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => undefined);
    const reader = new BlockReader({
      accepts: () => true,
      isWhole: hasChecksum,
      sizeBytesMax: HELLO_BYTES_MAX,
      take: (payload) => {
        reader.stop();
        greeted(socket, decodeHello(payload));
      },
    });
    socket.on('data', (chunk: Buffer) => reader.read(chunk));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const close = (): void => {
    server.close();
    for (const socket of sockets) socket.destroy();
  };
  onEnd(close);
  const { port } = server.address() as AddressInfo;
  return { address: `127.0.0.1:${port}`, sockets, close };
}

export const welcome: Uint8Array = encodeAnswer({ kind: 'welcome', nodeId: 'node-2', name: 'two' });
