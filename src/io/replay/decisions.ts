/**
 * What one log decided about notifying people: its notifications, what it withheld, and the alerts in
 * them.
 *
 * Promise: bounded by what was decided, not by the log. Decisions that withhold the same for the same
 * reason at tick after tick are one, from the first to the last of them; so are decisions to say the
 * same until it is delivered, because a person gets it once. Nothing is taken from where the state is
 * not known: whether it took effect is not known either.
 */

import { labelsText, type Labels } from '../../commands/labels.ts';
import { get } from '../../projections/table.ts';
import type { TimelineEvent } from './timeline-event.ts';
import type { Replay } from './run.ts';

type DecisionEvent = Extract<TimelineEvent, { readonly what: 'notify' | 'withhold' }>;

/** One alert from its first firing to its end. */
export interface Episode {
  /** When it began to fire; -Infinity when that was before the replay. */
  readonly from: number;
  /** When it was resolved; Infinity when it was not. */
  readonly to: number;
}

/** A decision about one integration of one group. */
export interface Decision extends Pick<
  DecisionEvent,
  'what' | 'index' | 'at' | 'integration' | 'reason' | 'firing' | 'resolved' | 'muted'
> {
  /** The labels of the group: `{alertname="HighCpu"}`. */
  readonly group: string;
  /** When it was taken for the last time in a row. */
  readonly until: number;
  /** How often it was taken in a row. */
  readonly times: number;
  /** The episodes of the alerts that are named as firing or resolved, in that order. */
  readonly episodes: readonly Episode[];
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export class Decisions {
  /** Decisions to notify. */
  readonly notifications: Decision[] = [];
  /** The labels of the alerts that were seen, by fingerprint. */
  readonly labels = new Map<string, Labels>();
  /** All decisions that name an alert, by integration and fingerprint, in their order. */
  readonly #naming = new Map<string, Decision[]>();
  readonly #groups = new Map<string, string>();
  /** The last decision about an integration of a group, if it withheld. */
  readonly #withheld = new Map<string, Mutable<Decision>>();
  /** The last decision to notify an integration of a group, as long as it is not delivered. */
  readonly #undelivered = new Map<string, Mutable<Decision>>();
  /** The place in {@link #undelivered} of each notification that is still owed. */
  readonly #owed = new Map<string, string>();
  /** The latest episode of each alert. */
  readonly #episodes = new Map<string, Mutable<Episode>>();

  /** Reads a replay to its end. */
  static async of(run: Replay): Promise<Decisions> {
    const decisions = new Decisions();
    for await (const moment of run.events()) decisions.#take(moment, run);
    return decisions;
  }

  /** The decision that names one of the page's alerts to its integration and is nearest in time. */
  nearest({ integration, group, at, firing, resolved }: Decision): Decision | null {
    let nearest: Decision | null = null;
    let leastMs = Infinity;
    for (const fingerprint of [...firing, ...resolved]) {
      for (const decision of this.#naming.get(nameOf(integration, fingerprint)) ?? []) {
        const awayMs = Math.max(decision.at - at, at - decision.until, 0);
        // At one instant the group itself says more than others that hold the same alert.
        const isNearer = awayMs < leastMs || (awayMs === leastMs && decision.group === group);
        if (!isNearer) continue;
        nearest = decision;
        leastMs = awayMs;
      }
    }
    return nearest;
  }

  #take(moment: TimelineEvent, run: Replay): void {
    if (moment.effectUnknown === true) return;
    switch (moment.what) {
      case 'firing':
        this.labels.set(moment.fingerprint, moment.labels);
        this.#episodes.set(moment.fingerprint, { from: moment.at, to: Infinity });
        return;
      case 'resolved':
        this.labels.set(moment.fingerprint, moment.labels);
        this.#episodeOf(moment.fingerprint).to = moment.at;
        return;
      case 'notify':
      case 'withhold':
        this.#decided(moment, run);
        return;
      case 'replaced':
        this.#owed.delete(moment.notification);
        return;
      case 'outcome':
        if (moment.result === 'delivered') this.#delivered(moment.notification);
        return;
      default:
    }
  }

  #delivered(notification: string): void {
    const place = this.#owed.get(notification);
    if (place !== undefined) this.#undelivered.delete(place);
    this.#owed.delete(notification);
  }

  #decided(moment: DecisionEvent, run: Replay): void {
    const { what, index, at, integration, reason, firing, resolved, muted } = moment;
    const group = this.#groupLabels(moment.group, run);
    // The key, since two routes may have groups of the same labels, and each sends its own.
    const place = nameOf(integration, moment.group);
    const episodes = [...firing, ...resolved].map((fingerprint) => this.#episodeOf(fingerprint));
    if (what === 'notify') this.#owed.set(moment.notification ?? '', place);
    const waiting = (what === 'notify' ? this.#undelivered : this.#withheld).get(place);
    if (waiting !== undefined && isSame(waiting, moment, episodes)) {
      waiting.until = at;
      waiting.times++;
      return;
    }
    const named = [...firing, ...resolved, ...muted.map(({ fingerprint }) => fingerprint)];
    for (const fingerprint of named) this.#learn(fingerprint, run);
    const about = { integration, reason, firing, resolved, muted, episodes };
    const decision = { what, index, at, until: at, times: 1, group, ...about };
    for (const fingerprint of new Set(named)) {
      const name = nameOf(integration, fingerprint);
      const known = this.#naming.get(name);
      if (known === undefined) this.#naming.set(name, [decision]);
      else known.push(decision);
    }
    if (what === 'notify') {
      this.notifications.push(decision);
      this.#undelivered.set(place, decision);
      this.#withheld.delete(place);
    } else {
      this.#withheld.set(place, decision);
    }
  }

  #episodeOf(fingerprint: string): Mutable<Episode> {
    const known = this.#episodes.get(fingerprint);
    if (known !== undefined) return known;
    const episode = { from: -Infinity, to: Infinity };
    this.#episodes.set(fingerprint, episode);
    return episode;
  }

  /** An alert that fired before the replay began is known to the state only. */
  #learn(fingerprint: string, { state }: Replay): void {
    if (state === null || this.labels.has(fingerprint)) return;
    const alert = get(state.alerts, fingerprint);
    if (alert !== undefined) this.labels.set(fingerprint, alert.labels);
  }

  #groupLabels(key: string, { state }: Replay): string {
    const known = this.#groups.get(key);
    if (known !== undefined) return known;
    const row = state === null ? undefined : get(state.groups, key);
    const labels = row === undefined ? labelsInKey(key) : labelsText(row.labels);
    this.#groups.set(key, labels);
    return labels;
  }
}

function nameOf(integration: string, what: string): string {
  return `${integration} ${what}`;
}

/**
 * Whether a decision says once more what one before it said. What is still to be delivered stays the
 * same message when the reason is another by now; what is withheld does not.
 */
function isSame(a: Decision, b: DecisionEvent, episodes: readonly Episode[]): boolean {
  if (a.what === 'withhold') {
    const said = ({ reason, firing, resolved, muted }: Decision | DecisionEvent): string =>
      JSON.stringify([reason, firing, resolved, muted]);
    return said(a) === said(b);
  }
  const said = ({ firing, resolved }: Decision | DecisionEvent): string =>
    JSON.stringify([firing.toSorted(), resolved.toSorted()]);
  const before = new Set(a.episodes);
  return episodes.every((episode) => before.has(episode)) && said(a) === said(b);
}

/** The labels at the end of a group's key, for a group that is gone or was never known. */
function labelsInKey(key: string): string {
  return /:(\{(?:[^"{}]|"(?:[^"\\]|\\.)*")*\})$/s.exec(key)?.[1] ?? key.replace(/^\d+ /, '');
}
