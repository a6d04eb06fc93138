/**
 * What a suppressor is: a rule because of which an alert is withheld from its receivers.
 *
 * Suppressors are asked when deciding and when displaying, never when folding: an answer may depend
 * on time zones, whose rules differ between builds.
 */

import type { CauseKind } from '../../commands/causes.ts';
import type { Labels } from '../../commands/labels.ts';
import type { LocalTimeIn } from '../muting.ts';
import type { State } from '../state.ts';

export interface StateAtTime {
  readonly state: State;
  /** Epoch milliseconds. */
  readonly now: number;
  readonly localTimeIn: LocalTimeIn;
}

/** The subjects of the causes that withhold an alert, in a fixed order; none if it is not withheld. */
type CausesOfAlert = (fingerprint: string, labels: Labels) => readonly string[];

/** The subjects of the causes that withhold all groups of a route, given by its index. */
type CausesOfRoute = (route: number) => readonly string[];

/**
 * `prepare` does once what does not depend on the alert or the route; the function that it returns is
 * for many of them. A suppressor of scope `alert` withholds an alert in each of its groups; one of
 * scope `route` withholds it in the groups of that route.
 */
export type Suppressor =
  | {
      readonly kind: CauseKind;
      readonly scope: 'alert';
      readonly prepare: (at: StateAtTime) => CausesOfAlert;
    }
  | {
      readonly kind: CauseKind;
      readonly scope: 'route';
      readonly prepare: (at: StateAtTime) => CausesOfRoute;
    };
