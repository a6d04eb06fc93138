/**
 * The other members as this node exchanges frames with them: frames out, frames in, and what frames show of
 * their senders.
 *
 * Promise: a frame of another cluster, for another node, or of another incarnation than that of its
 * connection is refused and counted; nothing that arrives can throw here, and what senders can make
 * this node remember is bounded by the number of members.
 */

import { MalformedCommand } from '../../commands/schema.ts';
import type { Message } from '../../raft/types.ts';
import type { Channel, Clock, FrameProblem, Transport } from '../ports.ts';
import { decodeFrame, encodeFrame, type Frame, type Sender } from './wire.ts';

export interface PeersModules {
  readonly clock: Clock;
  readonly transport: Transport;
  /** Whether the sender belongs to the cluster as this node sees it. */
  readonly isKnown: (node: string) => boolean;
}

/** A message with more bytes of entries travels apart, so that heartbeats never wait behind it. */
export const CONTROL_BYTES_MAX = 4_096;
/** How old a reading of another node's clock may be. */
const CLOCK_READING_MS_MAX = 5_000;

interface Reading {
  /** The other clock minus this one, in milliseconds; off by the time of travel. */
  readonly offsetMs: number;
  readonly takenAtMs: number;
}

export class Peers {
  readonly #self: Sender;
  readonly #modules: PeersModules;
  readonly #clocks = new Map<string, Reading>();
  #refused = 0;

  constructor(self: Sender, modules: PeersModules) {
    this.#self = self;
    this.#modules = modules;
  }

  /** Frames that were dropped because they were not for this node, or could not be read. */
  get refused(): number {
    return this.#refused;
  }

  send(to: string, frame: Frame, channel: Channel): void {
    const { clock, transport } = this.#modules;
    transport.send(to, encodeFrame(this.#self, to, clock.now(), frame), channel);
  }

  /** Sends messages of consensus: those without many entries at once, the others one by one. */
  sendMessages(messages: readonly Message[]): void {
    const urgent = new Map<string, Message[]>();
    for (const message of messages) {
      const { to } = message;
      if (isBulk(message)) {
        this.send(to, { kind: 'raft', messages: [message] }, 'bulk');
        continue;
      }
      const others = urgent.get(to);
      if (others === undefined) urgent.set(to, [message]);
      else others.push(message);
    }
    for (const [to, together] of urgent) {
      this.send(to, { kind: 'raft', messages: together }, 'control');
    }
  }

  /** Reads what has arrived on a connection that `from` made with `incarnation`. */
  receive(from: string, data: Uint8Array, incarnation: number): Frame | FrameProblem {
    const { clock, isKnown } = this.#modules;
    try {
      const { sender, sentAt, frame } = decodeFrame(this.#self, data);
      if (from === this.#self.nodeId) throw new MalformedCommand('frame', 'is of this node itself');
      if (sender.nodeId !== from) throw new MalformedCommand('frame', `is not from ${from}`);
      if (sender.incarnation !== incarnation) {
        throw new MalformedCommand('frame', `is not of incarnation ${incarnation} of ${from}`);
      }
      if (isKnown(from)) {
        const takenAtMs = clock.monotonicMs();
        this.#clocks.set(from, { offsetMs: sentAt - clock.now(), takenAtMs });
      }
      return frame;
    } catch (error) {
      if (!(error instanceof MalformedCommand)) throw error;
      return this.refuse(error.message, true);
    }
  }

  /** Counts a frame that was not taken. */
  refuse(problem: string, isAbsurd: boolean): FrameProblem {
    this.#refused++;
    return { problem, isAbsurd };
  }

  /** How far the clock of a node is ahead of this one; null without a recent frame. */
  clockOffsetMs(node: string): number | null {
    const reading = this.#clocks.get(node);
    if (reading === undefined) return null;
    const ageMs = this.#modules.clock.monotonicMs() - reading.takenAtMs;
    return ageMs <= CLOCK_READING_MS_MAX ? reading.offsetMs : null;
  }
}

function isBulk(message: Message): boolean {
  if (message.type !== 'append') return false;
  let bytes = 0;
  for (const { data } of message.entries) bytes += data.length;
  return bytes > CONTROL_BYTES_MAX;
}
