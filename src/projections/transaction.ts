/**
 * One entry being folded: the frozen state before it, and the rows that it changes.
 *
 * Promise: reducers read plain rows, never drafts, and see what the entry has already written; all
 * writes become one Immer `produce` at the end; an entry that writes nothing gives back the very
 * same state (DESIGN section 6).
 */

import { produce, setAutoFreeze, type Draft } from 'immer';
import type { Outcome } from '../commands/delivery.ts';
import type { Labels } from '../commands/labels.ts';
import type { Checks, Watchers } from './checks.ts';
import { changedPages, rowAt, rowsOf, type Pages } from './pages.ts';
import type { AppliedConfig, Facts, State } from './state.ts';
import { withoutPrototype, changedTable, entries, get, type Table } from './table.ts';
import { changedTimers, dueTimers, type TimerChange } from './timers.ts';

/** Why a notification was given up before it was delivered, as the reducer that did it knows it. */
export type GivenUp =
  /** Its group was decided anew; the new decision stands. */
  | 'newer decision'
  /** Its group was decided anew, and its receiver no longer has the integration. */
  | 'integration gone'
  /** A configuration was applied that has no such group any more. */
  | 'reload'
  /** A try failed, and meanwhile the group had gone. */
  | 'group gone';

/** What happened in the fold, for time lines and streams. Never an input of anything. */
export type Transition =
  | {
      readonly kind: 'breach';
      readonly check: string;
      readonly series: string;
      readonly value: number;
      /** When the alert will fire if the breach lasts. */
      readonly firesAt: number;
    }
  | { readonly kind: 'recovered'; readonly check: string; readonly series: string }
  | {
      readonly kind: 'firing';
      readonly fingerprint: string;
      readonly labels: Labels;
      readonly value: number | null;
    }
  | {
      readonly kind: 'resolved';
      readonly fingerprint: string;
      readonly labels: Labels;
      readonly cause: 'recovered' | 'pushed' | 'expired' | 'check changed';
    }
  | {
      readonly kind: 'notification';
      readonly id: string;
      readonly integration: string;
      readonly group: string;
      readonly status: string;
      /** What became of a try; absent where this is not about the end of one. */
      readonly result?: Outcome['result'];
      /** Set exactly where `status` is `replaced`. */
      readonly cause?: GivenUp;
      readonly detail: string;
    }
  | { readonly kind: 'ignored'; readonly command: string; readonly why: string };

const TABLES = ['alerts', 'groups', 'silences', 'notifications', 'members', 'requests'] as const;
const PAGES = ['series', 'breaches', 'seen', 'audit'] as const;
const TIMERS = ['foldTimers', 'flushTimers', 'attemptTimers'] as const;

type TableName = (typeof TABLES)[number];
type PagesName = (typeof PAGES)[number];
export type TimersName = (typeof TIMERS)[number];
/** The draft of a state, of which whole tables are replaced and none is looked into. */
type Writable = { -readonly [Name in keyof State]: State[Name] };

type RowOf<Name extends TableName> = State[Name] extends Table<infer Row> ? Row : never;
type PageRowOf<Name extends PagesName> = State[Name] extends Pages<infer Row> ? Row : never;

/** What is derived from `state.series` and kept beside it, because every reading needs it. */
export interface SeriesIndex {
  readonly ids: Map<string, number>;
  readonly watchers: WeakMap<Checks, Watchers>;
}

/**
 * Whether states are frozen to their depth as they are made. Freezing finds a reducer that writes
 * where it must not, and costs as much as the fold; it is on unless somebody turns it off for speed.
 */
export function freezeStates(isOn: boolean): void {
  setAutoFreeze(isOn);
}

export class Transaction {
  readonly base: State;
  readonly series: SeriesIndex;
  /** The log index of the entry. */
  readonly index: number;
  /** The time of the entry. */
  readonly at: number;
  readonly transitions: Transition[] = [];
  readonly #tables = {
    alerts: new Map<string, RowOf<'alerts'> | null>(),
    groups: new Map<string, RowOf<'groups'> | null>(),
    silences: new Map<string, RowOf<'silences'> | null>(),
    notifications: new Map<string, RowOf<'notifications'> | null>(),
    members: new Map<string, RowOf<'members'> | null>(),
    requests: new Map<string, RowOf<'requests'> | null>(),
  };
  readonly #breaches = new Map<number, PageRowOf<'breaches'> | null>();
  readonly #pages = {
    series: new Map<number, PageRowOf<'series'> | null>(),
    breaches: this.#breaches,
    seen: new Map<number, PageRowOf<'seen'> | null>(),
    audit: new Map<number, PageRowOf<'audit'> | null>(),
  };
  readonly #timers: Readonly<Record<TimersName, TimerChange[]>> = {
    foldTimers: [],
    flushTimers: [],
    attemptTimers: [],
  };
  readonly #owned = new WeakSet<object>();
  #notifications = 0;
  #config: AppliedConfig | null;
  #facts: Facts;
  #reducers: State['reducers'];

  constructor(base: State, series: SeriesIndex, { index, at }: { index: number; at: number }) {
    this.base = base;
    this.series = series;
    this.index = index;
    this.at = at;
    this.#config = base.config;
    this.#facts = base.facts;
    this.#reducers = base.reducers;
  }

  get config(): AppliedConfig | null {
    return this.#config;
  }

  set config(config: AppliedConfig | null) {
    this.#config = config;
  }

  get facts(): Facts {
    return this.#facts;
  }

  set facts(facts: Facts) {
    this.#facts = facts;
  }

  get reducers(): State['reducers'] {
    return this.#reducers;
  }

  set reducers(reducers: State['reducers']) {
    this.#reducers = reducers;
  }

  get<Name extends TableName>(table: Name, key: string): RowOf<Name> | undefined {
    const written = this.#written(table).get(key);
    if (written !== undefined) return written ?? undefined;
    return get(this.base[table] as Table<RowOf<Name>>, key);
  }

  put<Name extends TableName>(table: Name, key: string, row: RowOf<Name>): void {
    this.#written(table).set(key, row);
  }

  remove(table: TableName, key: string): void {
    this.#written(table).set(key, null);
  }

  /** All rows of a table as of now; the caller may write while it walks them. */
  entries<Name extends TableName>(table: Name): readonly (readonly [string, RowOf<Name>])[] {
    const written = this.#written(table);
    const all: (readonly [string, RowOf<Name>])[] = [];
    for (const [key, row] of entries(this.base[table] as Table<RowOf<Name>>)) {
      if (!written.has(key)) all.push([key, row]);
    }
    for (const [key, row] of written) if (row !== null) all.push([key, row]);
    return all;
  }

  rowAt<Name extends PagesName>(pages: Name, id: number): PageRowOf<Name> | undefined {
    const changed = this.#changed(pages);
    if (changed.size > 0) {
      const written = changed.get(id);
      if (written !== undefined) return written ?? undefined;
    }
    return rowAt(this.base[pages] as Pages<PageRowOf<Name>>, id);
  }

  /** As `rowAt` for breaches, which every reading asks for: without a look-up by name. */
  breachesAt(id: number): PageRowOf<'breaches'> | undefined {
    if (this.#breaches.size > 0) {
      const written = this.#breaches.get(id);
      if (written !== undefined) return written ?? undefined;
    }
    return rowAt(this.base.breaches, id);
  }

  setRow<Name extends PagesName>(pages: Name, id: number, row: PageRowOf<Name>): void {
    this.#changed(pages).set(id, row);
  }

  removeRow(pages: PagesName, id: number): void {
    this.#changed(pages).set(id, null);
  }

  /** All rows of pages as of now; the caller may write while it walks them. */
  rows<Name extends PagesName>(pages: Name): readonly (readonly [number, PageRowOf<Name>])[] {
    const changed = this.#changed(pages);
    const all: (readonly [number, PageRowOf<Name>])[] = [];
    for (const [id, row] of rowsOf(this.base[pages] as Pages<PageRowOf<Name>>)) {
      if (!changed.has(id)) all.push([id, row]);
    }
    for (const [id, row] of changed) if (row !== null) all.push([id, row]);
    return all;
  }

  setTimer(timers: TimersName, key: string, at: number): void {
    this.#timers[timers].push({ key, at, set: true });
  }

  clearTimer(timers: TimersName, key: string, at: number): void {
    this.#timers[timers].push({ key, at, set: false });
  }

  /** Clears every timer whose key starts with `prefix`, those that this entry has set as well. */
  clearTimersOf(timers: TimersName, prefix: string): void {
    const stored = dueTimers(this.base[timers], Infinity, Infinity);
    const own = this.#timers[timers].filter(({ set }) => set);
    for (const { key, at } of [...stored, ...own]) {
      if (key.startsWith(prefix)) this.clearTimer(timers, key, at);
    }
  }

  /**
   * A copy of a set of keys that this entry may write to, made once however often it is asked for:
   * a storm that puts a thousand alerts into one group must not copy the group a thousand times.
   */
  own(keys: Readonly<Record<string, 1>>): Record<string, 1> {
    if (this.#owned.has(keys)) return keys;
    const copy = withoutPrototype(keys);
    this.#owned.add(copy);
    return copy;
  }

  /** An id that no other notification has: the log index and a count within the entry. */
  newNotificationId(): string {
    return `${this.index}.${this.#notifications++}`;
  }

  note(transition: Transition): void {
    this.transitions.push(transition);
  }

  /** The state after the entry; the state before it when nothing was written. */
  finish(): State {
    if (!this.#isDirty()) return this.base;
    return produce(this.base, (draft) => {
      if (this.#config !== this.base.config) draft.config = this.#config as Draft<AppliedConfig>;
      if (this.#facts !== this.base.facts) draft.facts = this.#facts as Draft<Facts>;
      if (this.#reducers !== this.base.reducers) draft.reducers = this.#reducers;
      // Whole tables, made apart: Immer would look through one that is written to draft by draft.
      const written = draft as Writable;
      for (const name of TABLES) if (this.#tables[name].size > 0) this.#writeTable(written, name);
      for (const name of PAGES) if (this.#pages[name].size > 0) this.#writePages(written, name);
      for (const name of TIMERS) {
        const changes = this.#timers[name];
        if (changes.length > 0) written[name] = changedTimers(this.base[name], changes);
      }
    });
  }

  #isDirty(): boolean {
    return (
      this.#config !== this.base.config ||
      this.#facts !== this.base.facts ||
      this.#reducers !== this.base.reducers ||
      Object.values(this.#timers).some((changes) => changes.length > 0) ||
      Object.values(this.#tables).some((written) => written.size > 0) ||
      Object.values(this.#pages).some((changed) => changed.size > 0)
    );
  }

  #written<Name extends TableName>(table: Name): Map<string, RowOf<Name> | null> {
    return this.#tables[table] as Map<string, RowOf<Name> | null>;
  }

  #changed<Name extends PagesName>(pages: Name): Map<number, PageRowOf<Name> | null> {
    return this.#pages[pages] as Map<number, PageRowOf<Name> | null>;
  }

  #writeTable<Name extends TableName>(written: Writable, name: Name): void {
    const table = changedTable(this.base[name] as Table<RowOf<Name>>, this.#written(name));
    written[name] = table as Writable[Name];
  }

  #writePages<Name extends PagesName>(written: Writable, name: Name): void {
    const pages = changedPages(this.base[name] as Pages<PageRowOf<Name>>, this.#changed(name));
    written[name] = pages as Writable[Name];
  }
}
