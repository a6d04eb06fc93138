/**
 * What holds alerts back at one moment, for lists of many alerts: silences, inhibition, intervals.
 *
 * Promise: the same answers as `alertView` gives for one alert, but what does not depend on the
 * alert (which silences are active, which routes are mute) is worked out once for the list.
 */

import type { Labels } from '../../../commands/labels.ts';
import { matchesAll } from '../../../projections/matching.ts';
import { inhibitorsOf, mutingIntervalsOf, type LocalTimeIn } from '../../../projections/muting.ts';
import { routingOf } from '../../../projections/routing.ts';
import { silenceStatus } from '../../../projections/silences.ts';
import type { Group, Silence, State } from '../../../projections/state.ts';
import { entries } from '../../../projections/table.ts';

export interface StateAtTime {
  readonly state: State;
  /** Epoch milliseconds. */
  readonly now: number;
  readonly localTimeIn: LocalTimeIn;
}

export class SuppressionIndex {
  readonly #moment: StateAtTime;
  readonly #silences: readonly (readonly [id: string, silence: Silence])[];
  readonly #intervalsByRoute = new Map<number, readonly string[]>();

  constructor(moment: StateAtTime) {
    this.#moment = moment;
    this.#silences = [...entries(moment.state.silences)].filter(
      ([, silence]) => silenceStatus(silence, moment.now) === 'active',
    );
  }

  silencedBy(labels: Labels): readonly string[] {
    if (this.#silences.length === 0) return [];
    return this.#silences
      .filter(([, silence]) => matchesAll(silence.matchers, labels))
      .map(([id]) => id);
  }

  inhibitedBy(fingerprint: string, labels: Labels): readonly string[] {
    return inhibitorsOf(this.#moment.state, fingerprint, labels);
  }

  /** Intervals that mute every one of these groups; one that is not mute sets the alert free. */
  mutedBy(groups: readonly Group[]): readonly string[] {
    const perGroup = groups.map(({ route }) => this.#intervalsOf(route));
    if (perGroup.some((names) => names.length === 0)) return [];
    return [...new Set(perGroup.flat())].sort();
  }

  #intervalsOf(route: number): readonly string[] {
    const known = this.#intervalsByRoute.get(route);
    if (known !== undefined) return known;
    const { state, now, localTimeIn } = this.#moment;
    const config = state.config?.command.config;
    const node = config === undefined ? undefined : routingOf(config).nodes[route];
    const intervals =
      config === undefined || node === undefined
        ? []
        : mutingIntervalsOf(config, node, now, localTimeIn);
    this.#intervalsByRoute.set(route, intervals);
    return intervals;
  }
}
