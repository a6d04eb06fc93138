/**
 * A member as we reach it: a link for each channel, and the addresses at which it may be.
 *
 * Promise: both links are kept as long as this is; the loss of either is told, at most once a second.
 */

import type { Channel, Clock, Logger, Random } from '../ports.ts';
import type { Dialled } from './dial.ts';
import type { Hello, PeerHello } from './hello.ts';
import { Link, type Failure } from './link.ts';
import type { QuietLines } from './quiet-lines.ts';
import type { Traffic } from './traffic.ts';

export interface OutgoingPeerOptions {
  readonly nodeId: string;
  readonly traffic: Readonly<Record<Channel, Traffic>>;
  /**
   * Where it may be. The list of members can be older than the member, and what it says itself can
   * lead nowhere from here, so they are tried in turn.
   */
  addresses(): readonly string[];
  hello(channel: Channel): PeerHello;
  onUnreachable(): void;
  /** It has seen a later process of this node. */
  onOutdated(): void;
}

export interface OutgoingPeerModules {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly lines: QuietLines;
  readonly dial: (address: string, hello: Hello, signal: AbortSignal) => Promise<Dialled>;
}

export const CHANNELS: readonly Channel[] = ['control', 'bulk'];

const UNREACHABLE_EVERY_MS = 1_000;

export class OutgoingPeer {
  readonly #options: OutgoingPeerOptions;
  readonly #modules: OutgoingPeerModules;
  readonly #links: Readonly<Record<Channel, Link>>;
  #toldAtMs = -Infinity;
  #lastProblem = '';

  constructor(options: OutgoingPeerOptions, modules: OutgoingPeerModules) {
    this.#options = options;
    this.#modules = modules;
    this.#links = { control: this.#link('control'), bulk: this.#link('bulk') };
  }

  send(frame: Uint8Array, channel: Channel): void {
    this.#links[channel].send(frame);
  }

  isConnected(channel: Channel): boolean {
    return this.#links[channel].open;
  }

  pulse(): void {
    for (const channel of CHANNELS) this.#links[channel].pulse();
  }

  nudge(): void {
    for (const channel of CHANNELS) this.#links[channel].nudge();
  }

  /** Leaves connections to addresses at which the member is not thought to be any more. */
  moved(): void {
    const addresses = this.#options.addresses();
    for (const channel of CHANNELS) {
      const link = this.#links[channel];
      if (!addresses.includes(link.address)) link.move();
    }
  }

  /** Leaves connections that a secret guards which counts no more. */
  rekey(isGood: (keyId: string | null) => boolean): void {
    for (const channel of CHANNELS) {
      const { keyId } = this.#links[channel];
      if (keyId !== undefined && !isGood(keyId)) this.#links[channel].move();
    }
  }

  async close(): Promise<void> {
    await Promise.all(CHANNELS.map((channel) => this.#links[channel].close()));
  }

  #link(channel: Channel): Link {
    let tries = 0;
    const nextWay = () => {
      const addresses = this.#options.addresses();
      const address = addresses[tries++ % Math.max(1, addresses.length)] ?? '';
      const hello = this.#options.hello(channel);
      const dial = (signal: AbortSignal) =>
        this.#modules.dial(address, { kind: 'peer', ...hello }, signal);
      return { address, dial };
    };
    return new Link(
      {
        channel,
        traffic: this.#options.traffic[channel],
        nextWay,
        onOpen: ({ address }, name) => this.#opened(channel, address, name),
        onBroken: ({ address }, failure) => this.#broken(address, failure),
      },
      this.#modules,
    );
  }

  #opened(channel: Channel, address: string, name: string): void {
    this.#lastProblem = '';
    if (channel !== 'control') return;
    this.#modules.logger.info('peer connected', { peer: this.#options.nodeId, name, address });
  }

  #broken(address: string, failure: Failure): void {
    this.#log(address, failure);
    if (failure.code === 'outdated') this.#options.onOutdated();
    const nowMs = this.#modules.clock.monotonicMs();
    if (nowMs - this.#toldAtMs < UNREACHABLE_EVERY_MS) return;
    this.#toldAtMs = nowMs;
    this.#options.onUnreachable();
  }

  /** A refusal needs a person, so it is repeated; a member may be away for days, so that is not. */
  #log(address: string, { code, problem }: Failure): void {
    const peer = this.#options.nodeId;
    const facts = { peer, address, problem };
    if (code === 'refused' || code === 'outdated') {
      this.#modules.lines.warn(`${peer} ${problem}`, 'refused by a peer', facts);
    } else if (code === 'retry') {
      this.#modules.logger.debug('peer not ready', facts);
    } else if (problem !== this.#lastProblem) {
      this.#lastProblem = problem;
      this.#modules.lines.warn(`${peer} ${problem}`, 'peer not reached', facts);
    }
  }
}
