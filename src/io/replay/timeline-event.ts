/**
 * One line of the time line: what happened at one index, in all its fields. The table shows some of
 * them, JSON all.
 *
 * Promise: nothing here is a secret that the configuration holds. Times are epoch milliseconds in
 * fields called `at` or `…At`.
 */

import type { Actor } from '../../commands/actor.ts';
import type { AdminAction } from '../../commands/admin.ts';
import type { Muted, Reason } from '../../commands/decisions.ts';
import type { Outcome } from '../../commands/delivery.ts';
import type { Labels } from '../../commands/labels.ts';
import type { Matcher } from '../../commands/matchers.ts';
import type { GivenUp } from '../../projections/transaction.ts';
import type { UnknownCause } from './unknown.ts';

/** Every kind of moment, and what it says. */
export type TimelineEvent = Place &
  (
    | Leader
    | Gap
    | Config
    | AdminRequest
    | SilenceSet
    | SilenceOver
    | Breach
    | Recovered
    | Firing
    | Resolved
    | Decision
    | Attempt
    | Outcomes
    | Replaced
    | Ignored
    | Damage
    | Unreadable
    | StateTaken
  );

export interface Place {
  readonly index: number;
  readonly at: number;
  /** Set where the state is not known: this was recorded, and whether it took effect is not known. */
  readonly effectUnknown?: true;
}

/** A node began to lead. */
interface Leader {
  readonly what: 'leader';
  readonly node: string;
  readonly term: number;
}

/** Nobody listened, or the state is not known. */
interface Gap {
  readonly what: 'gap';
  readonly cause: 'nobody listened' | UnknownCause;
  readonly quietMs: number;
  /** The missing entries; both 0 when none are, `missingTo` null where nobody knows. */
  readonly missingFrom: number;
  readonly missingTo: number | null;
  /** The first entry whose effects are known again; null when none are, or nothing was lost. */
  readonly knownFrom: number | null;
  /** The time of the snapshot that gives the state again; 0 when there is none. */
  readonly knownAt: number;
}

/** Who was proven to ask for something; null where nobody knows, as in the logs of earlier builds. */
interface ByActor {
  readonly actor: Actor | null;
}

/** What an administrator asked for outside of the log. */
interface AdminRequest extends ByActor {
  readonly what: 'admin';
  readonly action: AdminAction;
  readonly subject: string;
  readonly detail: string;
}

interface Config extends ByActor {
  readonly what: 'config';
  readonly origin: string;
  readonly checks: number;
  readonly receivers: number;
  readonly routes: number;
  readonly inhibitRules: number;
  readonly timeIntervals: number;
  readonly monitors: number;
}

interface SilenceSet extends ByActor {
  readonly what: 'silence';
  readonly id: string;
  /** The silence that it edits or replaces; null for a new one. */
  readonly edits: string | null;
  readonly matchers: readonly Matcher[];
  readonly startsAt: number;
  readonly endsAt: number;
  /** Who the client says that it is; who it was is `actor`. */
  readonly createdBy: string;
  readonly comment: string;
}

interface SilenceOver {
  readonly what: 'expired';
  readonly id: string;
  readonly cause: 'its time was over' | 'by hand' | 'replaced';
  readonly matchers: readonly Matcher[];
  /** Of the silence, not of whoever ended it. */
  readonly createdBy: string;
  /** Absent where its time was over: nobody did that. */
  readonly actor?: Actor | null;
}

interface Breach {
  readonly what: 'breach';
  readonly check: string;
  readonly series: string;
  /** The reading that crossed; null when the crossing is that there was none. */
  readonly value: number | null;
  /** The condition in words: `above 90`. */
  readonly condition: string;
  /** When the alert fires if the breach lasts. */
  readonly firesAt: number;
  /** The labels of the alert that it may become. */
  readonly labels: Labels;
}

/** A breach that ended before its alert fired. */
interface Recovered {
  readonly what: 'recovered';
  readonly check: string;
  readonly series: string;
  readonly labels: Labels;
}

interface Firing {
  readonly what: 'firing';
  readonly fingerprint: string;
  readonly labels: Labels;
  /** The name of its check; null for a pushed alert. */
  readonly check: string | null;
  /** The reading that began the breach; null for a pushed alert, and where the breach is that there was none. */
  readonly value: number | null;
  /** Who pushed it; null for the alert of a check. */
  readonly pushedBy: string | null;
}

interface Resolved {
  readonly what: 'resolved';
  readonly fingerprint: string;
  readonly labels: Labels;
  readonly cause: 'recovered' | 'pushed' | 'expired' | 'check changed';
}

/** What was decided about one integration of one group. */
interface Decision {
  readonly what: 'notify' | 'withhold';
  readonly integration: string;
  readonly reason: Reason | 'the receiver has no integrations';
  /** The notification that is owed from here on; null when it is withheld, or its id is not known. */
  readonly notification: string | null;
  /** The key of the group, with the place of its route in front. */
  readonly group: string;
  readonly tickAt: number;
  readonly firing: readonly string[];
  readonly resolved: readonly string[];
  readonly muted: readonly Muted[];
}

/** To whom an attempt or an outcome belongs; empty where the state is not known. */
interface OfNotification {
  readonly notification: string;
  readonly integration: string;
  readonly group: string;
  readonly firing: readonly string[];
  readonly resolved: readonly string[];
}

interface Attempt extends OfNotification {
  readonly what: 'attempt';
  readonly try: number;
  readonly node: string;
}

interface Outcomes extends OfNotification {
  readonly what: 'outcome';
  readonly try: number;
  readonly result: Outcome['result'];
  readonly status: number;
  readonly detail: string;
  readonly tookMs: number;
  /** When the next try is due; 0 when there is none. */
  readonly nextTryAt: number;
}

/** A notification was given up before it was delivered. */
interface Replaced extends OfNotification {
  readonly what: 'replaced';
  readonly cause: GivenUp;
}

/** A command that took no effect. */
interface Ignored {
  readonly what: 'ignored';
  readonly command: string;
  readonly why: string;
}

interface Damage {
  readonly what: 'damage';
  readonly file: string;
  /** Byte in the file. */
  readonly offset: number;
  readonly problem: string;
}

/** An intact entry that this build cannot read or fold. */
interface Unreadable {
  readonly what: 'unreadable';
  readonly problem: string;
}

/** The state was taken from a snapshot, because entries before it are missing. */
interface StateTaken {
  readonly what: 'snapshot';
  readonly root: string;
}
