/**
 * What one log decided about telling people: its pages, what it withheld, and the alerts in them.
 *
 * Promise: bounded by what was decided, not by the log; decisions that withhold the same for the
 * same reason at tick after tick are one, from the first to the last of them.
 */

import { labelsText, type Labels } from '../../../commands/labels.ts';
import { get } from '../../../projections/table.ts';
import type { Moment } from './moment.ts';
import type { Replay } from './run.ts';

type DecisionMoment = Extract<Moment, { readonly what: 'notify' | 'withhold' }>;

/** A decision about one integration of one group. */
export interface Decision extends Pick<
  DecisionMoment,
  'what' | 'index' | 'at' | 'integration' | 'reason' | 'firing' | 'resolved' | 'muted'
> {
  /** The labels of the group: `{alertname="HighCpu"}`. */
  readonly group: string;
  /** When it was taken for the last time in a row; `at` for a page. */
  readonly until: number;
}

export class Decisions {
  readonly pages: Decision[] = [];
  /** The labels of the alerts that were seen, by fingerprint. */
  readonly labels = new Map<string, Labels>();
  /** All decisions that name an alert, by integration and fingerprint, in their order. */
  readonly #naming = new Map<string, Decision[]>();
  readonly #groups = new Map<string, string>();
  /** The last decision about an integration of a group, if it withheld. */
  readonly #withheld = new Map<string, { -readonly [K in keyof Decision]: Decision[K] }>();

  /** Reads a replay to its end. */
  static async of(run: Replay): Promise<Decisions> {
    const decisions = new Decisions();
    for await (const moment of run.moments()) decisions.#take(moment, run);
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

  #take(moment: Moment, run: Replay): void {
    switch (moment.what) {
      case 'firing':
      case 'resolved':
        this.labels.set(moment.fingerprint, moment.labels);
        return;
      case 'notify':
      case 'withhold':
        this.#decided(moment, run);
        return;
      default:
    }
  }

  #decided(moment: DecisionMoment, run: Replay): void {
    const { what, index, at, integration, reason, firing, resolved, muted } = moment;
    const place = nameOf(integration, moment.group);
    const before = this.#withheld.get(place);
    if (what === 'withhold' && before !== undefined && isSame(before, moment)) {
      before.until = at;
      return;
    }
    const named = [...firing, ...resolved, ...muted.map(({ fingerprint }) => fingerprint)];
    for (const fingerprint of named) this.#learn(fingerprint, run);
    const group = this.#groupLabels(moment.group, run);
    const about = { integration, reason, firing, resolved, muted };
    const decision = { what, index, at, until: at, group, ...about };
    for (const fingerprint of new Set(named)) {
      const name = nameOf(integration, fingerprint);
      const known = this.#naming.get(name);
      if (known === undefined) this.#naming.set(name, [decision]);
      else known.push(decision);
    }
    if (what === 'notify') {
      this.pages.push(decision);
      this.#withheld.delete(place);
    } else {
      this.#withheld.set(place, decision);
    }
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

function isSame(a: Decision, b: DecisionMoment): boolean {
  const said = ({ reason, firing, resolved, muted }: Decision | DecisionMoment): string =>
    JSON.stringify([reason, firing, resolved, muted]);
  return said(a) === said(b);
}

/** The labels at the end of a group's key, for a group that is gone or was never known. */
function labelsInKey(key: string): string {
  return /:(\{(?:[^"{}]|"(?:[^"\\]|\\.)*")*\})$/s.exec(key)?.[1] ?? key.replace(/^\d+ /, '');
}
