/**
 * The network of a simulated world: frames between processes, and all that may befall them.
 *
 * Frames are delayed by a seeded amount each, so they overtake one another; they may be dropped and
 * doubled; any direction between any two nodes may be cut. Promise: the same seed and the same sends
 * give the same arrivals. A frame that is under way when its receiver is killed is lost with it.
 */

import { FRAMES_LEVEL, numberIn } from '../node/wire.ts';
import type { Channel, PeerAddress, PeerReceiver, Transport } from '../ports.ts';
import type { SeededRandom } from './seeded-random.ts';
import type { VirtualClock } from './virtual-clock.ts';

/** How the network treats every frame. */
export interface Weather {
  /** Delays are drawn between these. */
  readonly delayMsMin: number;
  readonly delayMsMax: number;
  /** Of all frames, from 0 to 1. */
  readonly lossShare: number;
  readonly doubledShare: number;
}

export const FAIR_WEATHER: Weather = {
  delayMsMin: 0.2,
  delayMsMax: 1.5,
  lossShare: 0,
  doubledShare: 0,
};

/** What every build reads, also one that says nothing of it. */
const FRAMES_TAKEN_UNSAID = 12;

/** What has happened to frames so far. */
export interface NetworkCounts {
  sent: number;
  dropped: number;
  doubled: number;
  cut: number;
}

/** A process that sends. */
interface Sender {
  readonly nodeId: string;
  readonly incarnation: number;
}

interface Endpoint {
  readonly clock: VirtualClock;
  receiver: PeerReceiver | null;
  /** Which frames its build reads. */
  readonly framesLevel: number;
}

export class SimulatedNetwork {
  readonly counts: NetworkCounts = { sent: 0, dropped: 0, doubled: 0, cut: 0 };
  readonly #random: SeededRandom;
  readonly #endpoints = new Map<string, Endpoint>();
  /** `from>to` for each direction that is cut. */
  readonly #cuts = new Set<string>();
  weather: Weather = FAIR_WEATHER;
  /** Sees every frame as it is sent. */
  onSent: (to: string, frame: Uint8Array) => void = () => undefined;
  /** Frames that a story wants lost. */
  dropIf: ((frame: Uint8Array) => boolean) | null = null;

  constructor({ random }: { readonly random: SeededRandom }) {
    this.#random = random;
  }

  /** The transport of a process of node `nodeId`; it takes the place of the one before. */
  join(nodeId: string, incarnation: number, clock: VirtualClock, framesLevel = 1): Transport {
    const endpoint: Endpoint = { clock, receiver: null, framesLevel };
    this.#endpoints.set(nodeId, endpoint);
    return {
      attach: (receiver) => {
        endpoint.receiver = receiver;
      },
      send: (to, frame, channel) => this.#send({ nodeId, incarnation }, to, frame, channel),
      framesLevel: (node) => this.#endpoints.get(node)?.framesLevel ?? null,
      // Every node can reach every other by its id; who talks to whom is the node's affair.
      setPeers: (_peers: readonly PeerAddress[]) => undefined,
    };
  }

  /** Cuts one direction. */
  cut(from: string, to: string): void {
    this.#cuts.add(`${from}>${to}`);
  }

  /** Cuts both directions between each node of one side and each of the other. */
  partition(one: readonly string[], other: readonly string[]): void {
    for (const a of one) {
      for (const b of other) {
        this.cut(a, b);
        this.cut(b, a);
      }
    }
  }

  /** Whether any direction is cut. */
  get isCut(): boolean {
    return this.#cuts.size > 0;
  }

  heal(): void {
    this.#cuts.clear();
  }

  #send(sender: Sender, to: string, frame: Uint8Array, _channel: Channel): void {
    const from = sender.nodeId;
    this.counts.sent++;
    this.onSent(to, frame);
    if (this.#cuts.has(`${from}>${to}`) || this.dropIf?.(frame) === true) {
      this.counts.cut++;
      return;
    }
    if (this.#random.next() < this.weather.lossShare) {
      this.counts.dropped++;
      return;
    }
    this.#deliver(sender, to, frame);
    if (this.#random.next() < this.weather.doubledShare) {
      this.counts.doubled++;
      this.#deliver(sender, to, frame);
    }
  }

  #deliver({ nodeId, incarnation }: Sender, to: string, frame: Uint8Array): void {
    const endpoint = this.#endpoints.get(to);
    if (endpoint === undefined) return;
    // A real one would end the connection.
    if (endpoint.framesLevel < FRAMES_LEVEL && Number(numberIn(frame)) > FRAMES_TAKEN_UNSAID) {
      throw new Error(`${nodeId} sends ${to} a kind of frame that its build does not read`);
    }
    const { delayMsMin, delayMsMax } = this.weather;
    const delayMs = delayMsMin + this.#random.next() * (delayMsMax - delayMsMin);
    // The receiver owns what it is given; a doubled frame is another one.
    const copy = frame.slice();
    endpoint.clock.whenAwake(delayMs, () => {
      endpoint.receiver?.onFrame(nodeId, copy, incarnation);
    });
  }
}
