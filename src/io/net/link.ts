/**
 * One connection that we keep to a member and only write frames to: one channel of it.
 *
 * Promise: it is dialled again whenever it is not there, sooner at first, then every two seconds;
 * what waits for it is bounded, and a frame that finds no room or no connection is dropped and
 * counted. A member that takes nothing, or shows no sign of life, is given up, so that a way that
 * is open again is found within seconds and not when TCP tries next. Signs of life are empty
 * blocks: we send one each second in which nothing else waits, and the member sends it back.
 */

import type { Socket } from 'node:net';
import type { Channel, Clock, Random } from '../ports.ts';
import { BlockReader, HEADER_BYTES, type Seals } from './blocks.ts';
import type { Dialled } from './dial.ts';
import type { Traffic } from './traffic.ts';

/** How a link gets its connection. */
export interface Way {
  readonly address: string;
  dial(signal: AbortSignal): Promise<Dialled>;
}

export interface LinkOptions {
  readonly channel: Channel;
  readonly traffic: Traffic;
  /** The way to try next. */
  nextWay(): Way;
  onOpen(way: Way, name: string): void;
  /** The connection broke, or could not be made. */
  onBroken(way: Way, failure: Failure): void;
}

export type Failure = Pick<Extract<Dialled, { ok: false }>, 'code' | 'problem'>;

export interface LinkModules {
  readonly clock: Clock;
  readonly random: Random;
}

/** Control is small and urgent; bulk must hold a batch of entries or a part of a snapshot. */
const QUEUE_BYTES_MAX: Readonly<Record<Channel, number>> = {
  control: 1024 * 1024,
  bulk: 32 * 1024 * 1024,
};

/** After so many seconds without a sign of life the connection is given up. */
const SILENT_PULSES_MAX: Readonly<Record<Channel, number>> = { control: 4, bulk: 10 };

const PAUSE_MS = { min: 50, max: 2_000 };

const CLOSE_LIMIT_MS = 1_000;

/** Small frames are copied into one piece with their header: the system takes one faster than two. */
const SMALL_BYTES = 4 * 1024;

/** Large frames go in parts, each of which shows that the other side still takes something. */
const PART_BYTES = 256 * 1024;

interface Part {
  readonly bytes: Uint8Array;
  /** The frame that begins here: its header is made when it leaves, in the order of leaving. */
  readonly frame: Uint8Array | null;
  readonly endsFrame: boolean;
}

/** An open connection. */
interface Connection {
  readonly socket: Socket;
  readonly seals: Seals;
  readonly keyId: string | null;
}

const NO_BYTES = new Uint8Array(0);

export class Link {
  readonly #options: LinkOptions;
  readonly #modules: LinkModules;
  #way: Way;
  #phase: 'dialling' | 'open' | 'resting' | 'closed' = 'resting';
  #abort = new AbortController();
  #connection: Connection | null = null;
  #blocked = false;
  #silentPulses = 0;
  #pauseMs = PAUSE_MS.min;
  #cancelPause: () => void = () => undefined;
  readonly #queue: Part[] = [];
  #queuedBytes = 0;

  constructor(options: LinkOptions, modules: LinkModules) {
    this.#options = options;
    this.#modules = modules;
    this.#way = options.nextWay();
    void this.#dial();
  }

  get open(): boolean {
    return this.#phase === 'open';
  }

  /** Of the connection, or of the last try at one. */
  get address(): string {
    return this.#way.address;
  }

  /** Waits only for a connection that is there, or being made: what is older is of no use. */
  send(frame: Uint8Array): void {
    const fits = this.#queuedBytes + frame.length <= QUEUE_BYTES_MAX[this.#options.channel];
    const waits = this.#phase === 'open' || this.#phase === 'dialling';
    // An empty frame says nothing, and would be taken for a sign of life.
    if (!waits || !fits || frame.length === 0) {
      this.#options.traffic.framesDropped++;
      return;
    }
    for (let at = 0; at < frame.length; at += PART_BYTES) {
      const bytes = frame.subarray(at, at + PART_BYTES);
      const endsFrame = at + PART_BYTES >= frame.length;
      this.#enqueue({ bytes, frame: at === 0 ? frame : null, endsFrame });
    }
    this.#pump();
  }

  /** Comes once a second. A process that stood still for a minute has missed one, not sixty. */
  pulse(): void {
    if (this.#connection === null) return;
    if (this.#silentPulses >= SILENT_PULSES_MAX[this.#options.channel]) {
      const what = this.#blocked ? 'takes nothing' : 'gives no sign of life';
      this.#lost(`it ${what} for ${this.#silentPulses} s`);
      return;
    }
    this.#silentPulses++;
    if (this.#blocked) return;
    this.#enqueue({ bytes: NO_BYTES, frame: NO_BYTES, endsFrame: false });
    this.#pump();
  }

  /** Dials at once if it rests: the member has just shown that it is there. */
  nudge(): void {
    if (this.#phase !== 'resting') return;
    this.#cancelPause();
    this.#redial();
  }

  /** The secret by which the connection is guarded; undefined when there is none. */
  get keyId(): string | null | undefined {
    return this.#connection?.keyId;
  }

  /** Leaves the connection for the next way. */
  move(): void {
    if (this.#phase === 'closed') return;
    this.#letGo();
    this.#redial();
  }

  /** For good. What was sent still leaves, if the member takes it. */
  async close(): Promise<void> {
    const socket = this.#blocked ? null : (this.#connection?.socket ?? null);
    if (socket !== null) this.#connection = null;
    this.#letGo();
    this.#phase = 'closed';
    if (socket === null || socket.destroyed) return;
    const cancelLimit = this.#modules.clock.after(CLOSE_LIMIT_MS, () => socket.destroy());
    await new Promise((resolve) => {
      socket.once('close', resolve);
      socket.destroySoon();
    });
    cancelLimit();
  }

  async #dial(): Promise<void> {
    this.#phase = 'dialling';
    const { signal } = this.#abort;
    const dialled = await this.#way.dial(signal);
    if (signal.aborted) {
      if (dialled.ok) dialled.socket.destroy();
    } else if (dialled.ok) {
      this.#opened(dialled, dialled.answer.name);
    } else {
      this.#broken(dialled);
    }
  }

  #opened({ socket, seals, keyId }: Connection, name: string): void {
    this.#phase = 'open';
    this.#connection = { socket, seals, keyId };
    this.#blocked = false;
    this.#silentPulses = 0;
    this.#listen(socket, seals);
    this.#options.onOpen(this.#way, name);
    this.#pump();
  }

  #listen(socket: Socket, { opener }: Seals): void {
    const alive = (): void => {
      this.#silentPulses = 0;
    };
    const reader = new BlockReader({
      accepts: (tag) => opener.accepts(tag),
      isWhole: (header, payload) => opener.isWhole(header, payload),
      sizeBytesMax: 0,
      take: () => {
        alive();
        // Not sooner: a connection that always breaks at once must not be made over and over.
        this.#pauseMs = PAUSE_MS.min;
      },
    });
    const broken = (problem: string): void => {
      if (this.#connection?.socket === socket) this.#lost(problem);
    };
    socket.on('data', (chunk: Uint8Array) => {
      if (reader.read(chunk) !== null) broken('it sends what nobody asked for');
    });
    socket.on('drain', () => {
      if (this.#connection?.socket !== socket) return;
      this.#blocked = false;
      alive();
      this.#pump();
    });
    socket.on('error', ({ message }) => broken(message));
    socket.on('close', () => broken('it closed the connection'));
  }

  #lost(problem: string): void {
    this.#broken({ code: 'unreachable', problem });
  }

  #broken(failure: Failure): void {
    const way = this.#way;
    this.#letGo();
    this.#phase = 'resting';
    // Members that lost the same one at the same time must not come back to it in step.
    const pauseMs = this.#pauseMs * (0.5 + this.#modules.random.next() / 2);
    this.#pauseMs = Math.min(2 * this.#pauseMs, PAUSE_MS.max);
    this.#cancelPause = this.#modules.clock.after(pauseMs, () => this.#redial());
    this.#options.onBroken(way, failure);
  }

  #redial(): void {
    this.#way = this.#options.nextWay();
    void this.#dial();
  }

  /** Ends the connection or the try at one; what waited for it is lost. */
  #letGo(): void {
    this.#cancelPause();
    this.#abort.abort();
    this.#abort = new AbortController();
    this.#connection?.socket.destroy();
    this.#connection = null;
    for (const { endsFrame } of this.#queue.splice(0)) {
      if (endsFrame) this.#options.traffic.framesDropped++;
    }
    this.#queuedBytes = 0;
  }

  #enqueue(part: Part): void {
    this.#queue.push(part);
    this.#queuedBytes += part.bytes.length;
  }

  #pump(): void {
    if (this.#connection === null || this.#blocked) return;
    const { socket, seals } = this.#connection;
    socket.cork();
    while (!this.#blocked) {
      const part = this.#queue.shift();
      if (part === undefined) break;
      this.#blocked = !write(socket, part, seals);
      this.#count(part);
    }
    socket.uncork();
  }

  #count({ bytes, frame, endsFrame }: Part): void {
    const { traffic } = this.#options;
    traffic.bytesSent += bytes.length + (frame === null ? 0 : HEADER_BYTES);
    if (endsFrame) traffic.framesSent++;
    this.#queuedBytes -= bytes.length;
  }
}

/** False when the socket can take no more for now. */
function write(socket: Socket, { bytes, frame }: Part, { sealer }: Seals): boolean {
  if (frame === null) return socket.write(bytes);
  const header = sealer.headerOf(frame);
  if (bytes.length <= SMALL_BYTES) return socket.write(Buffer.concat([header, bytes]));
  socket.write(header);
  return socket.write(bytes);
}
