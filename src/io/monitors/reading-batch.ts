/**
 * Collects readings into `observe` commands: as many as fit, or those of a few milliseconds.
 *
 * Promise: each reading is offered to the node once, or counted as dropped. A reading costs two
 * array writes here, whatever it costs elsewhere.
 */

import type { Observe } from '../../commands/observe.ts';
import type { Clock, Ingest, OnReadingsLost } from '../ports.ts';
import type { IngestCounters } from './ingest-counters.ts';

export interface ReadingBatchOptions {
  /** What the command names as its source. */
  readonly source: string;
}

export interface ReadingBatchModules {
  readonly clock: Clock;
  readonly intake: Ingest;
  readonly ledger: IngestCounters;
}

export class ReadingBatch {
  readonly #source: string;
  readonly #modules: ReadingBatchModules;
  /** The columns grow with the source, because there may be thousands of small ones. */
  #ids = new Int32Array(READINGS_MIN);
  #values = new Float64Array(READINGS_MIN);
  #count = 0;
  /** Places of new names in the command: a name that comes twice takes one. */
  readonly #places = new Map<string, number>();
  #nameLength = 0;
  #cancelFlush: (() => void) | null = null;
  readonly #lose: OnReadingsLost = (lost) => this.#modules.ledger.lose(this.#source, lost);

  constructor(options: ReadingBatchOptions, modules: ReadingBatchModules) {
    this.#source = options.source;
    this.#modules = modules;
  }

  /** Takes a reading of the series with this id, or with the place `-1 - i` of a new name. */
  add(id: number, value: number): void {
    this.#ids[this.#count] = id;
    this.#values[this.#count] = value;
    this.#count++;
    if (this.#count === 1 && this.#cancelFlush === null) this.#flushSoon();
    if (this.#count === this.#ids.length) this.#growOrFlush();
  }

  /** Takes a reading of a series by its name; gives its id, or -1 when it has none yet. */
  addNamed(name: string, value: number): number {
    const id = this.#modules.intake.seriesId(name);
    this.add(id >= 0 ? id : -1 - this.#placeOf(name), value);
    return id;
  }

  /** Hands over what is there. */
  flush(): void {
    this.#cancelFlush?.();
    this.#cancelFlush = null;
    if (this.#count === 0 && this.#places.size === 0) return;
    const { intake, ledger } = this.#modules;
    const observe = this.#takeAll();
    ledger.receive(observe.ids.length);
    intake.offer(observe, this.#lose);
  }

  /**
   * Makes a series known without a reading, so that what waits for its readings begins to wait.
   * Gives its id, or -1 when it has none yet.
   */
  mention(name: string): number {
    const id = this.#modules.intake.seriesId(name);
    if (id < 0) {
      this.#placeOf(name);
      if (this.#cancelFlush === null) this.#flushSoon();
    }
    return id;
  }

  #growOrFlush(): void {
    if (this.#count === READINGS_MAX) return this.flush();
    const [ids, values] = [this.#ids, this.#values];
    this.#ids = new Int32Array(2 * this.#count);
    this.#values = new Float64Array(2 * this.#count);
    this.#ids.set(ids);
    this.#values.set(values);
  }

  #flushSoon(): void {
    this.#cancelFlush = this.#modules.clock.after(DELAY_MS_MAX, () => this.flush());
  }

  #placeOf(name: string): number {
    const known = this.#places.get(name);
    if (known !== undefined) return known;
    const isFull = this.#places.size === READINGS_MAX;
    if (isFull || this.#nameLength + name.length > NAMES_LENGTH_MAX) this.flush();
    this.#nameLength += name.length;
    this.#places.set(name, this.#places.size);
    return this.#places.size - 1;
  }

  #takeAll(): Observe {
    const observe: Observe = {
      kind: 'observe',
      source: this.#source,
      names: [...this.#places.keys()],
      ids: this.#ids.slice(0, this.#count),
      values: this.#values.slice(0, this.#count),
    };
    this.#count = 0;
    this.#places.clear();
    this.#nameLength = 0;
    return observe;
  }
}

/** Readings in one command: large enough to share its cost, an eighth of what one may hold. */
const READINGS_MAX = 8_192;
const READINGS_MIN = 32;

/** Characters of new names in one command: with 3 bytes each they stay far below a batch's bytes. */
const NAMES_LENGTH_MAX = 1024 * 1024;

/** How long a reading may wait for company. */
const DELAY_MS_MAX = 5;
