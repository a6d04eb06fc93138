/**
 * The shape of the state: the tables that the log projects, and their rows.
 *
 * Promise: plain data only (maps with text keys, arrays, text, finite numbers, true, false, null),
 * so that a page has one canonical encoding and one hash on every node. Rows are never changed in
 * place. What can be derived from the rows (compiled globs, the index of names) is not in here.
 */

import type { Actor } from '../commands/actor.ts';
import type { AdminAction } from '../commands/admin.ts';
import type { ApplyConfig } from '../commands/config.ts';
import type { Muted, Reason } from '../commands/decisions.ts';
import type { Labels } from '../commands/labels.ts';
import type { Matcher } from '../commands/matchers.ts';
import type { ByClientClock } from './client-time.ts';
import type { Pages } from './pages.ts';
import type { Table } from './table.ts';
import type { Timers } from './timers.ts';

/**
 * The version of the fold before the log names another one: what a given log means. It stays what
 * it is, or old logs would mean something else.
 */
export const REDUCER_VERSION = 1;

export interface State {
  /** The applied configuration, or null before the first one. */
  readonly config: AppliedConfig | null;
  /** Small facts that fit in no table. */
  readonly facts: Facts;
  /** Names of series by id. Names are never changed and never removed; ids are never reused. */
  readonly series: Pages<string>;
  /** Breaches by series id; a series in order has no row. */
  readonly breaches: Pages<SeriesBreaches>;
  /** The coarse time of the last reading, only of series that a `missing` check watches. */
  readonly seen: Pages<number>;
  /** Firing and resolved alerts by fingerprint. Pending ones are breaches. */
  readonly alerts: Table<Alert>;
  /** Groups by their key. */
  readonly groups: Table<Group>;
  readonly silences: Table<Silence>;
  /** Notifications by id: what is owed, and for a day what became of it. */
  readonly notifications: Table<Notification>;
  /** Members of the cluster by node id, and the last ones that were removed. */
  readonly members: Table<Member>;
  /** Which requests of each node were folded, by node id. */
  readonly requests: Table<Requests>;
  /** What people did and who they were, by {@link AuditEvent} number; the newest of them. */
  readonly audit: Pages<AuditEvent>;
  /** The version of the fold that holds. */
  readonly reducers: { readonly version: number };
  /** When the fold itself must act: `for` elapsed, an alert expired, a reading missing. */
  readonly foldTimers: Timers;
  /** When a group is due for a decision. */
  readonly flushTimers: Timers;
  /** When an owed notification is due for an attempt. */
  readonly attemptTimers: Timers;
}

export interface Facts {
  /** Number of series; the next id. */
  readonly seriesCount: number;
  /** Ids of checks by {@link checkKey}, so that a reload keeps a breach with its check. */
  readonly checkIds: Readonly<Record<string, number>>;
  readonly nextCheckId: number;
  /** Since when somebody has listened without a gap: silence before it proves nothing. */
  readonly listeningSince: number;
  /** The last times in which nobody listened, in their order; absent without any. */
  readonly gaps?: readonly Gap[];
  /** Audit events so far, which is the number of the newest; absent without any. */
  readonly audited?: number;
}

/** A time in which nothing listened. */
export interface Gap {
  /** When somebody listened again. */
  readonly until: number;
  readonly ms: number;
  /** How much of it has not passed at all, because log time was set; absent without any. */
  readonly stepMs?: number;
}

export interface AppliedConfig {
  /** The log index of its command. */
  readonly index: number;
  readonly at: number;
  readonly command: Omit<ApplyConfig, 'kind' | 'actor'>;
}

/** The checks in breach on one series, by check id. */
export type SeriesBreaches = Readonly<Record<string, Breach>>;

export interface Breach {
  /** When the first reading in breach came. */
  readonly since: number;
  /** The value of that reading; 0 for `missing`. */
  readonly value: number;
  /** When `for` ends, or 0 once the alert fires. Gaps since then are not in it: see `gaps.ts`. */
  readonly firesAt: number;
  /** How much of the time up to `firesAt` nothing listened; absent without any. */
  readonly gapsMs?: number;
}

export interface Alert extends ByClientClock {
  readonly labels: Labels;
  /** As the check or the sender wrote them; the texts of a check may hold templates. */
  readonly annotations: Labels;
  readonly generatorUrl: string;
  /** The reading that made a check fire; null for a pushed alert. */
  readonly origin: {
    readonly check: string;
    readonly series: number;
    readonly value: number;
  } | null;
  readonly startsAt: number;
  /** When it ended or, pushed and firing, when it will unless it is pushed again; 0: not known. */
  readonly endsAt: number;
  /** True when `endsAt` was filled in from `resolve_timeout`. */
  readonly endsByTimeout: boolean;
  readonly resolved: boolean;
  readonly updatedAt: number;
  /** Under which time it stands in `foldTimers`, or 0. May be early: a wake-up looks again. */
  readonly wakeAt: number;
  /** Keys of the groups that hold it. */
  readonly groups: readonly string[];
}

export interface Group {
  /** The key as Alertmanager writes it: `{}/{team="x"}:{alertname="y"}`. */
  readonly text: string;
  /** The place of its route in the tree, depth first. */
  readonly route: number;
  readonly receiver: string;
  readonly labels: Labels;
  /** Fingerprints of its alerts, each with 1. */
  readonly alerts: Readonly<Record<string, 1>>;
  readonly createdAt: number;
  /** Its next tick; the decision that uses it up names it. */
  readonly nextFlush: number;
  /** True after its first flush, when new alerts wait for the next tick. */
  readonly flushed: boolean;
  /** What each integration was last told, by integration key. */
  readonly told: Readonly<Record<string, LastNotified>>;
  /** What each integration may have been told besides, by integration key; absent without doubt. */
  readonly doubts?: Readonly<Record<string, UncertainDelivery>>;
  /** Notifications of the last flush that have no final outcome yet, by integration key. */
  readonly owed: Readonly<Record<string, string>>;
  /** Resolved alerts that leave once all of the last flush is delivered. */
  readonly leaving: readonly string[];
  /** The last decision, for people who ask why. */
  readonly last: LastFlush | null;
}

export interface LastNotified {
  readonly at: number;
  readonly firing: readonly string[];
  readonly resolved: readonly string[];
  /** The notification that told it. */
  readonly notification: string;
}

/** Tries since the last delivery of which nobody knows whether the receiver got them. */
export interface UncertainDelivery {
  /** The notification of the last such try. */
  readonly notification: string;
  /** Alerts that each of these tries told as firing. */
  readonly surely: readonly string[];
  /** Alerts that any of them told as firing. */
  readonly maybe: readonly string[];
}

export interface LastFlush {
  readonly index: number;
  readonly at: number;
  readonly muted: readonly Muted[];
  readonly verdicts: readonly {
    readonly integration: string;
    readonly notify: boolean;
    readonly reason: Reason;
  }[];
}

export interface Silence extends ByClientClock {
  readonly matchers: readonly Matcher[];
  readonly startsAt: number;
  readonly endsAt: number;
  readonly createdBy: string;
  readonly comment: string;
  readonly annotations: Labels;
  readonly updatedAt: number;
}

/** Something that people, or a node for them, asked for. Numbered from 1 in the order of the log. */
export interface AuditEvent {
  readonly index: number;
  readonly at: number;
  readonly action: AuditAction;
  /** The id of the silence, the node or the cluster, or the path of the configuration file. */
  readonly subject: string;
  readonly detail: string;
  /** Who was proven to ask for it; null where nobody knows. */
  readonly actor: Actor | null;
  /** Who the client says made the silence; null where it is about none. Nobody has proven it. */
  readonly createdBy: string | null;
}

export type AuditAction =
  | 'createSilence'
  | 'updateSilence'
  | 'expireSilence'
  | 'applyConfig'
  | AdminAction;

export interface Member {
  readonly name: string;
  readonly peer: string;
  readonly http: string;
  readonly version: string;
  readonly reducersMax: number;
  readonly configHash: string;
  /** When it was first heard of. */
  readonly since: number;
  /** True once it was removed: it never comes back under this id. */
  readonly removed: boolean;
  /** When it was removed, or 0. */
  readonly removedAt: number;
}

/** The requests of the newest life of a node. */
export interface Requests {
  readonly incarnation: number;
  /** All with a smaller number were folded, or nobody waits for them. */
  readonly settledBelow: number;
  /** Numbers above it that were folded, ascending; the one that equals it was not. */
  readonly applied: readonly number[];
}

/**
 * One message owed to one integration. Its id is `<log index of the decision>.<count>`, as an entry
 * may hold many decisions.
 */
export interface Notification {
  readonly group: string;
  readonly groupText: string;
  readonly groupLabels: Labels;
  /** Labels by which the integration is found again: the receiver's name and its key. */
  readonly receiver: string;
  readonly integration: string;
  readonly reason: Reason;
  readonly decidedAt: number;
  /** What to say, as it was when it was decided; emptied when the notification is final. */
  readonly alerts: readonly NotifiedAlert[];
  readonly firing: readonly string[];
  readonly resolved: readonly string[];
  readonly status: NotificationStatus;
  /** Attempts started. */
  readonly tries: number;
  /** When the next attempt is due, or when a final row is forgotten. */
  readonly wakeAt: number;
  /**
   * True once any attempt ended unknown, or when an earlier one to its integration did and nothing
   * was delivered since: the next attempt may be a duplicate and says so.
   */
  readonly uncertain: boolean;
  /** Tries whose answer could not be read, with those of notifications that said the same; absent without any. */
  readonly unreadable?: number;
  /** Whose key it is sent under, if not its own: of one that said the same and may have arrived. */
  readonly key?: NotificationKey;
  /** The node of the running attempt, or of the last one. */
  readonly node: string;
  /** What became of the last attempt. */
  readonly lastResult: string;
  readonly lastAt: number;
}

export interface NotificationKey {
  /** The id of the notification that was first sent under the key. */
  readonly notification: string;
  /** When that one was decided. */
  readonly since: number;
}

/**
 * `owed`: waits for its next attempt. `trying`: an attempt has started and has no outcome.
 * `delivered`, `rejected`: final. `replaced`: the next flush of its group said it anew, or had
 * nothing left to say.
 */
export type NotificationStatus = 'owed' | 'trying' | 'delivered' | 'rejected' | 'replaced';

export interface NotifiedAlert extends ByClientClock {
  readonly fingerprint: string;
  readonly labels: Labels;
  readonly annotations: Labels;
  readonly generatorUrl: string;
  readonly startsAt: number;
  readonly endsAt: number;
  readonly resolved: boolean;
  readonly value: number | null;
}
