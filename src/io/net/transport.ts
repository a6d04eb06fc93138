/**
 * The way to the other members over TCP: the port `Transport`, on real sockets.
 *
 * Each node dials every other one twice, once for each channel, and writes only on what it dialled
 * and reads only from what others dialled: so heartbeats never wait behind a snapshot, and no two
 * members can disagree about which of two connections counts.
 *
 * Promise: frames may be lost and come in any order over a reconnection, but a frame that arrives is
 * whole and comes from the process that said hello. Bytes from outside never throw. Every wait,
 * queue and table is bounded. Knows nothing of what is in a frame.
 */

import type {
  JoinRequest,
  Channel,
  Clock,
  JoinAnswer,
  Logger,
  PeerAddress,
  PeerReceiver,
  Random,
  Transport,
} from '../ports.ts';
import { addressText, parseAddress } from './addresses.ts';
import { isOutdated, refusalOf } from './admission.ts';
import { createTlsSide, type TlsOptions, type TlsSide } from './certificates.ts';
import { dial, type DialModules } from './dial.ts';
import { encodeAnswer, framesLevelOf, processNonce, refused, type PeerHello } from './hello.ts';
import { InboundPeers } from './inbound-peers.ts';
import { askToJoin, JOIN_LIMIT_MS, verifyReachable } from './join.ts';
import {
  HELLO_LIMIT_MS,
  listenForPeers,
  type PeerListener,
  type Trust,
  type Visitor,
} from './listener.ts';
import { OutgoingPeer } from './outgoing-peer.ts';
import { Keyring } from './secret.ts';
import { QuietLines } from './quiet-lines.ts';
import { noTraffic, type Traffic } from './traffic.ts';

export interface TransportOptions {
  readonly host: string;
  /** 0 takes a free port. */
  readonly port: number;
  /** The host at which others reach this node; null for the one on which it listens. */
  readonly advertise: string | null;
  /** Null for a node that is in no cluster yet: it can ask to join one. */
  readonly clusterId: string | null;
  readonly nodeId: string;
  readonly name: string;
  /** Rises with each start of the node. */
  readonly incarnation: number;
  readonly tls: TlsOptions | null;
  /** The secrets of the cluster, the one to prefer first; null without one. */
  readonly secrets?: readonly string[] | null;
  /** With secrets: whether members without one are let in, too. */
  readonly acceptsPlain?: boolean;
  /** Which kinds of frames the receiver reads; 1 when left out. */
  readonly framesLevel?: number;
  /** More than the largest frame of any member. */
  readonly frameBytesMax?: number;
}

export interface TransportModules {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

export interface ChannelStats extends Readonly<Traffic> {
  /** Whether frames can be sent over it. */
  readonly connected: boolean;
}

export interface PeerStats extends Readonly<Record<Channel, ChannelStats>> {
  readonly nodeId: string;
  /** Whether the peer has a connection to this node. */
  readonly heard: boolean;
}

export interface TransportStats {
  readonly peers: readonly PeerStats[];
  /** Connections to this node that were refused. */
  readonly refusals: number;
  /** Frames for nodes of which no address is known, and frames over the limit. */
  readonly framesUndeliverable: number;
}

export interface TcpTransport extends Transport {
  /** HOST:PORT as it really listens. */
  readonly address: string;
  /** From now on this node is in that cluster. Once, and only when it was in none. */
  enterCluster(clusterId: string): void;
  /** Asks the member at `address` to let `applicant` into its cluster. Never rejects. */
  askToJoin(address: string, applicant: JoinRequest): Promise<JoinAnswer>;
  /** From now on these secrets count; connections that others guard are made anew. */
  changeSecrets(secrets: readonly string[]): void;
  stats(): TransportStats;
  close(): Promise<void>;
}

/** A batch of entries at its largest, and what goes around it. */
const FRAME_BYTES_MAX = 17 * 1024 * 1024;

const PULSE_MS = 1_000;

/** The level from which a member can be told that it is `outdated`. */
const OUTDATED_LEVEL = 2;

/** Resolves once it listens. Rejects with a sentence when it cannot, or the TLS files do not fit. */
export async function createTransport(
  options: TransportOptions,
  modules: TransportModules,
): Promise<TcpTransport> {
  // A name that fits no hello would otherwise be found when somebody calls.
  encodeAnswer({ kind: 'welcome', nodeId: options.nodeId, name: options.name });
  const tls = options.tls === null ? null : createTlsSide(options.tls, options);
  const transport = new Tcp(options, modules, tls);
  await transport.listen();
  return transport;
}

class Tcp implements TcpTransport {
  readonly #options: TransportOptions;
  readonly #modules: TransportModules;
  readonly #tls: TlsSide | null;
  #trust: Trust;
  readonly #lines: QuietLines;
  readonly #nonce: string;
  readonly #frameBytesMax: number;
  readonly #inbound: InboundPeers;
  readonly #outgoing = new Map<string, OutgoingPeer>();
  readonly #traffic = new Map<string, Readonly<Record<Channel, Traffic>>>();
  readonly #stopping = new AbortController();
  #listener: PeerListener | null = null;
  #clusterId: string | null;
  #receiver: PeerReceiver | null = null;
  #listed: ReadonlyMap<string, string> = new Map();
  #framesUndeliverable = 0;
  #cancelPulse: () => void = () => undefined;

  constructor(options: TransportOptions, modules: TransportModules, tls: TlsSide | null) {
    this.#options = options;
    this.#modules = modules;
    this.#tls = tls;
    const { secrets = null, acceptsPlain = false } = options;
    this.#trust = { keyring: secrets === null ? null : new Keyring(secrets), acceptsPlain };
    this.#lines = new QuietLines(modules);
    this.#nonce = processNonce(modules.random.uuid(), options.framesLevel ?? 1);
    this.#clusterId = options.clusterId;
    this.#frameBytesMax = options.frameBytesMax ?? FRAME_BYTES_MAX;
    this.#inbound = new InboundPeers(
      {
        frameBytesMax: this.#frameBytesMax,
        trafficWith: (nodeId) => this.#trafficWith(nodeId),
        onFrame: (from, frame, incarnation) =>
          this.#receiver?.onFrame(from, frame, incarnation) ?? null,
        onGone: (nodeId) => this.#tidy(nodeId),
      },
      this.#lines,
    );
  }

  async listen(): Promise<void> {
    const { host, port } = this.#options;
    this.#listener = await listenForPeers(
      {
        host,
        port,
        onHello: (hello, visitor) => {
          if (hello.kind === 'peer') this.#peerCame(hello, visitor);
          else void this.#applicantCame(hello.applicant, visitor);
        },
      },
      { ...this.#modules, lines: this.#lines, tls: this.#tls, trust: () => this.#trust },
    );
    this.#pulse();
  }

  get address(): string {
    return this.#listener?.address ?? '';
  }

  attach(receiver: PeerReceiver): void {
    this.#receiver = receiver;
    this.#connect();
  }

  enterCluster(clusterId: string): void {
    this.#clusterId = clusterId;
    this.#connect();
  }

  send(to: string, frame: Uint8Array, channel: Channel): void {
    if (frame.length > this.#frameBytesMax) {
      const facts = { to, sizeBytes: frame.length, sizeBytesMax: this.#frameBytesMax };
      this.#lines.warn(to, 'frame dropped: too large', facts);
      this.#framesUndeliverable++;
      return;
    }
    const peer = this.#wayTo(to);
    if (peer === undefined) this.#framesUndeliverable++;
    else peer.send(frame, channel);
  }

  framesLevel(nodeId: string): number | null {
    return this.#inbound.framesLevelOf(nodeId);
  }

  setPeers(peers: readonly PeerAddress[]): void {
    const others = peers.filter(({ nodeId }) => nodeId !== this.#options.nodeId);
    const before = this.#listed;
    this.#listed = new Map(others.map(({ nodeId, address }) => [nodeId, address]));
    for (const nodeId of before.keys()) {
      if (!this.#listed.has(nodeId)) this.#leave(nodeId);
    }
    this.#connect();
    this.#removeRefused();
  }

  askToJoin(address: string, applicant: JoinRequest): Promise<JoinAnswer> {
    const { signal } = this.#stopping;
    return askToJoin(applicant, (hello) =>
      dial({ nodeId: null, address, hello, limitMs: JOIN_LIMIT_MS }, this.#dialModules(), signal),
    );
  }

  changeSecrets(secrets: readonly string[]): void {
    if (this.#trust.keyring === null) return;
    const keyring = new Keyring(secrets);
    this.#trust = { ...this.#trust, keyring };
    const isGood = (keyId: string | null): boolean =>
      keyId === null || keyring.common([keyId]) !== null;
    this.#inbound.rekey(isGood);
    for (const peer of this.#outgoing.values()) peer.rekey(isGood);
  }

  stats(): TransportStats {
    const peers = [...this.#traffic].map(([nodeId, traffic]) => {
      const outgoing = this.#outgoing.get(nodeId);
      const channel = (name: Channel): ChannelStats => ({
        ...traffic[name],
        connected: outgoing?.isConnected(name) ?? false,
      });
      const heard = this.#inbound.isConnected(nodeId);
      return { nodeId, heard, control: channel('control'), bulk: channel('bulk') };
    });
    return {
      peers,
      refusals: this.#listener?.refusals ?? 0,
      framesUndeliverable: this.#framesUndeliverable,
    };
  }

  async close(): Promise<void> {
    this.#cancelPulse();
    this.#stopping.abort();
    this.#listed = new Map();
    for (const nodeId of this.#inbound.nodeIds()) this.#inbound.remove(nodeId);
    const outgoing = [...this.#outgoing.values()];
    this.#outgoing.clear();
    await Promise.all([this.#listener?.close(), ...outgoing.map((peer) => peer.close())]);
  }

  #pulse(): void {
    for (const peer of this.#outgoing.values()) peer.pulse();
    this.#inbound.pulse();
    this.#cancelPulse = this.#modules.clock.after(PULSE_MS, () => this.#pulse());
  }

  /** Dials whoever is listed, once it is known who we are and who takes what arrives. */
  #connect(): void {
    if (this.#receiver === null || this.#clusterId === null) return;
    if (this.#stopping.signal.aborted) return;
    for (const nodeId of this.#listed.keys()) {
      const entry = this.#outgoing.get(nodeId);
      if (entry === undefined) this.#outgoing.set(nodeId, this.#peer(nodeId, this.#clusterId));
      else entry.moved();
    }
  }

  /** Somebody who is not listed but connected to us has said where it listens. */
  #wayTo(nodeId: string): OutgoingPeer | undefined {
    const entry = this.#outgoing.get(nodeId);
    if (entry !== undefined || this.#clusterId === null) return entry;
    if (!this.#inbound.isConnected(nodeId)) return undefined;
    const peer = this.#peer(nodeId, this.#clusterId);
    this.#outgoing.set(nodeId, peer);
    return peer;
  }

  #peer(nodeId: string, clusterId: string): OutgoingPeer {
    const { name, incarnation } = this.#options;
    const helloFor = (channel: Channel): PeerHello => ({
      clusterId,
      nodeId: this.#options.nodeId,
      name,
      incarnation,
      nonce: this.#nonce,
      to: nodeId,
      channel,
      address: this.#advertised(),
    });
    return new OutgoingPeer(
      {
        nodeId,
        traffic: this.#trafficWith(nodeId),
        addresses: () => this.#addressesOf(nodeId),
        hello: helloFor,
        onUnreachable: () => this.#receiver?.onUnreachable(nodeId),
        onOutdated: () => this.#receiver?.onOutdated(nodeId),
      },
      {
        ...this.#modules,
        lines: this.#lines,
        dial: (address, hello, signal) =>
          dial({ nodeId, address, hello, limitMs: HELLO_LIMIT_MS }, this.#dialModules(), signal),
      },
    );
  }

  #dialModules(): DialModules {
    return { clock: this.#modules.clock, tls: this.#tls, trust: () => this.#trust };
  }

  #advertised(): string {
    const { advertise } = this.#options;
    const listening = parseAddress(this.address);
    if (advertise === null || listening === null) return this.address;
    return addressText({ host: advertise, port: listening.port });
  }

  #addressesOf(nodeId: string): readonly string[] {
    const addresses = [this.#listed.get(nodeId), this.#inbound.addressOf(nodeId)];
    return [...new Set(addresses)].filter((address) => typeof address === 'string');
  }

  #peerCame(hello: PeerHello, { inbound, session, encode, refuse, admit }: Visitor): void {
    const { nodeId, name } = this.#options;
    const code = this.#receiver === null || this.#clusterId === null ? 'retry' : 'refused';
    const problem = this.#problemOf(hello, session !== null || this.#tls !== null);
    if (problem !== null) {
      const isOld = code === 'refused' && isOutdated(hello, this.#inbound.seen(hello.nodeId));
      const knowsCode = framesLevelOf(hello.nonce) >= OUTDATED_LEVEL;
      refuse(isOld && knowsCode ? 'outdated' : code, problem);
      return;
    }
    admit();
    this.#inbound.add(hello, inbound, session);
    inbound.write(encode({ kind: 'welcome', nodeId, name }));
    this.#outgoing.get(hello.nodeId)?.nudge();
  }

  #problemOf(hello: PeerHello, isProven: boolean): string | null {
    const { nodeId, name } = this.#options;
    if (this.#clusterId === null) return `node ${name} (${nodeId}) is in no cluster yet`;
    if (this.#receiver === null) return `node ${name} (${nodeId}) is starting`;
    const host = { clusterId: this.#clusterId, nodeId, name, address: this.#advertised() };
    const refusal = refusalOf(hello, host, this.#inbound.seen(hello.nodeId), isProven);
    if (refusal !== null) return refusal;
    const isKnown = this.#listed.has(hello.nodeId) || this.#inbound.isConnected(hello.nodeId);
    if (this.#inbound.full && !isKnown) return 'more nodes are connected than any cluster has';
    return this.#receiver.refusalFor(hello.nodeId);
  }

  async #applicantCame(
    applicant: JoinRequest,
    { inbound, encode, refuse, mayWait }: Visitor,
  ): Promise<void> {
    const { nodeId, name } = this.#options;
    const receiver = this.#receiver;
    if (receiver === null) {
      const what =
        this.#clusterId === null
          ? 'waits to be let into a cluster itself: if there is none yet, start one node without --join'
          : 'is starting';
      refuse('retry', `node ${name} (${nodeId}) ${what}`);
      return;
    }
    mayWait(JOIN_LIMIT_MS);
    const answer = await receiver.onJoin(verifyReachable(applicant, inbound.remoteHost));
    inbound.part(
      encode(
        answer.ok
          ? { kind: 'joined', nodeId, name, clusterId: answer.clusterId }
          : refused(answer.code, answer.message),
      ),
    );
  }

  /** A member that was removed while it was connected is told so when it comes again. */
  #removeRefused(): void {
    const receiver = this.#receiver;
    if (receiver === null) return;
    for (const nodeId of this.#inbound.nodeIds()) {
      if (receiver.refusalFor(nodeId) !== null) this.#inbound.remove(nodeId);
    }
  }

  #trafficWith(nodeId: string): Readonly<Record<Channel, Traffic>> {
    const entry = this.#traffic.get(nodeId);
    if (entry !== undefined) return entry;
    const traffic = { control: noTraffic(), bulk: noTraffic() };
    this.#traffic.set(nodeId, traffic);
    return traffic;
  }

  /** Forgets a node that is neither listed nor connected to us. */
  #tidy(nodeId: string): void {
    if (this.#listed.has(nodeId) || this.#inbound.isConnected(nodeId)) return;
    this.#disconnect(nodeId);
    this.#traffic.delete(nodeId);
  }

  /** While it stays connected to us, it can still be answered. */
  #leave(nodeId: string): void {
    this.#disconnect(nodeId);
    this.#tidy(nodeId);
  }

  #disconnect(nodeId: string): void {
    void this.#outgoing.get(nodeId)?.close();
    this.#outgoing.delete(nodeId);
  }
}
