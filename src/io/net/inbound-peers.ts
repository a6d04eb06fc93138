/**
 * The members that are connected to this node, and what they have said of themselves.
 *
 * Promise: one process at a time has the identity of a member here, the one that was started last;
 * frames come from it alone. What strangers can make us remember is bounded.
 */

import type { Channel, FrameProblem } from '../ports.ts';
import { reachableAt } from './addresses.ts';
import type { Seen } from './admission.ts';
import { HEADER_BYTES, plainSeals, type BlockProblem, type Seals } from './blocks.ts';
import { frameTag, framesKnownIn, type PeerHello } from './hello.ts';
import type { Inbound } from './inbound.ts';
import type { Session } from './listener.ts';
import type { QuietLines } from './quiet-lines.ts';
import type { Traffic } from './traffic.ts';

export interface InboundPeersOptions {
  readonly frameBytesMax: number;
  trafficWith(nodeId: string): Readonly<Record<Channel, Traffic>>;
  onFrame(from: string, frame: Uint8Array, incarnation: number): FrameProblem | null;
  /** Its last connection is gone. */
  onGone(nodeId: string): void;
}

interface Connection {
  readonly inbound: Inbound;
  /** The secret that guards it; null without one. */
  readonly keyId: string | null;
  /** Something has come after the hello: whoever said it is at work. */
  hasSpoken: boolean;
}

interface Process {
  readonly nonce: string;
  /** Where it can be reached, as far as it knows. */
  readonly address: string;
  readonly connections: Map<Channel, Connection>;
}

/** More members than any cluster has. */
const PROCESSES_MAX = 128;
const INCARNATIONS_MAX = 4_096;

/** After so many seconds without a byte: the other side gives up sooner, if it is there at all. */
const SILENT_PULSES_MAX = 15;

/** Each member shows a sign of life once a second. */
const ALIVE_PULSES = 3;

export class InboundPeers {
  readonly #options: InboundPeersOptions;
  readonly #lines: QuietLines;
  readonly #processes = new Map<string, Process>();
  /** The newest process of each node, also when it is gone. */
  readonly #newest = new Map<string, Pick<Seen, 'incarnation' | 'nonce'>>();

  constructor(options: InboundPeersOptions, lines: QuietLines) {
    this.#options = options;
    this.#lines = lines;
  }

  get full(): boolean {
    return this.#processes.size >= PROCESSES_MAX;
  }

  seen(nodeId: string): Seen {
    const { incarnation, nonce } = this.#newest.get(nodeId) ?? { incarnation: -1, nonce: null };
    const connections = [...(this.#processes.get(nodeId)?.connections.values() ?? [])];
    const isAlive = connections.some(({ hasSpoken, inbound }) => {
      return hasSpoken && inbound.silentPulses < ALIVE_PULSES;
    });
    return { incarnation, nonce, isAlive };
  }

  isConnected(nodeId: string): boolean {
    return this.#processes.has(nodeId);
  }

  /** As its present process has said. */
  framesKnownBy(nodeId: string): number {
    return framesKnownIn(this.#processes.get(nodeId)?.nonce ?? '');
  }

  addressOf(nodeId: string): string | null {
    return this.#processes.get(nodeId)?.address ?? null;
  }

  nodeIds(): string[] {
    return [...this.#processes.keys()];
  }

  /** Takes a connection whose hello was found good. */
  add(hello: PeerHello, inbound: Inbound, session: Session | null): void {
    const { nodeId, channel } = hello;
    this.#remember(hello);
    const { connections } = this.#processFor(hello, inbound);
    const before = connections.get(channel);
    const connection = { inbound, keyId: session?.keyId ?? null, hasSpoken: false };
    connections.set(channel, connection);
    before?.inbound.destroy();
    const seals = session?.seals ?? plainSeals(frameTag(hello));
    inbound.passTo({
      expected: this.#frames(hello, connection, seals),
      onProblem: (problem) => {
        this.#lines.warn(`${nodeId} ${problem.kind}`, 'peer connection ended', {
          peer: nodeId,
          channel,
          problem: problemText(problem),
        });
        inbound.destroy();
      },
      onClose: () => this.#closed(hello, inbound),
    });
  }

  remove(nodeId: string): void {
    for (const { inbound } of this.#processes.get(nodeId)?.connections.values() ?? []) {
      inbound.destroy();
    }
  }

  /** Ends connections that a secret guards which counts no more. */
  rekey(isGood: (keyId: string | null) => boolean): void {
    for (const { connections } of this.#processes.values()) {
      for (const { inbound, keyId } of connections.values()) if (!isGood(keyId)) inbound.destroy();
    }
  }

  pulse(): void {
    for (const [peer, { connections }] of this.#processes) {
      for (const [channel, { inbound }] of connections) {
        if (inbound.silentPulses >= SILENT_PULSES_MAX) {
          const problem = `nothing came for ${SILENT_PULSES_MAX} s`;
          this.#lines.warn(peer, 'peer connection ended', { peer, channel, problem });
          inbound.destroy();
        }
        inbound.pulse();
      }
    }
  }

  /** A node that says hello in a new life takes the place of the one before. */
  #processFor({ nodeId, nonce, address }: PeerHello, inbound: Inbound): Process {
    const before = this.#processes.get(nodeId);
    if (before?.nonce === nonce) return before;
    const process: Process = {
      nonce,
      address: reachableAt(address, inbound.remoteHost),
      connections: new Map(),
    };
    this.#processes.set(nodeId, process);
    for (const old of before?.connections.values() ?? []) old.inbound.destroy();
    return process;
  }

  #remember({ nodeId, incarnation, nonce }: PeerHello): void {
    // Put in again, so that those heard last are the last to be forgotten.
    this.#newest.delete(nodeId);
    this.#newest.set(nodeId, { incarnation, nonce });
    const [oldest] = this.#newest.keys();
    if (this.#newest.size > INCARNATIONS_MAX && oldest !== undefined) this.#newest.delete(oldest);
  }

  #frames(hello: PeerHello, connection: Connection, { opener, sealer }: Seals) {
    const { nodeId, channel, incarnation } = hello;
    const { inbound } = connection;
    const traffic = this.#options.trafficWith(nodeId)[channel];
    return {
      accepts: (tag: Uint8Array) => opener.accepts(tag),
      isWhole: (header: Uint8Array, payload: Uint8Array) => opener.isWhole(header, payload),
      sizeBytesMax: this.#options.frameBytesMax,
      take: (frame: Uint8Array) => {
        connection.hasSpoken = true;
        traffic.bytesReceived += HEADER_BYTES + frame.length;
        if (frame.length === 0) {
          inbound.echo(() => sealer.headerOf(frame));
          return;
        }
        traffic.framesReceived++;
        const refused = this.#options.onFrame(nodeId, frame, incarnation);
        if (refused !== null) this.#refuse(hello, refused, inbound);
      },
    };
  }

  #refuse({ nodeId, channel }: PeerHello, refused: FrameProblem, inbound: Inbound): void {
    const { problem, isAbsurd } = refused;
    // By the sender alone: each of its frames can have another problem.
    const key = `${nodeId} ${isAbsurd ? 'absurd' : 'dropped'}`;
    this.#lines.warn(key, 'frame refused', { peer: nodeId, channel, problem });
    if (isAbsurd) inbound.destroy();
  }

  #closed({ nodeId, nonce, channel }: PeerHello, inbound: Inbound): void {
    const process = this.#processes.get(nodeId);
    if (process?.nonce !== nonce || process.connections.get(channel)?.inbound !== inbound) return;
    process.connections.delete(channel);
    if (process.connections.size > 0) return;
    this.#processes.delete(nodeId);
    this.#options.onGone(nodeId);
  }
}

function problemText(problem: BlockProblem): string {
  switch (problem.kind) {
    case 'tag':
      return 'a frame that belongs to another connection, or no frame at all';
    case 'size':
      return `a frame of ${problem.sizeBytes} bytes, at most ${problem.sizeBytesMax} are taken`;
    case 'checksum':
      return 'a frame was changed on its way, repeated or made up: its checksum is wrong';
  }
}
