/**
 * What withholds alerts at one time: the list of suppressors, and their answers for many alerts.
 *
 * Promise: decisions, the API, the status page and explanations ask here, so they give the same
 * causes. Each cause is named, since a person will ask for it.
 */

import type { Cause } from '../commands/causes.ts';
import type { Labels } from '../commands/labels.ts';
import { inhibitionSuppressor } from './suppressors/inhibition.ts';
import { intervalSuppressor } from './suppressors/interval.ts';
import { silenceSuppressor } from './suppressors/silence.ts';
import type { StateAtTime, Suppressor } from './suppressors/suppressor.ts';

/** In the order in which decisions record causes: a decision that is too large keeps the first. */
const SUPPRESSORS: readonly Suppressor[] = [
  inhibitionSuppressor,
  intervalSuppressor,
  silenceSuppressor,
];

/** Prepared for one time: the subjects of the causes, where those of a route are put together by the caller. */
type Prepared = (
  fingerprint: string,
  labels: Labels,
  ofRoutes: (ofRoute: (route: number) => readonly string[]) => readonly string[],
) => readonly Cause[];

export class Suppressions {
  readonly #suppressors: readonly Prepared[];

  constructor(at: StateAtTime) {
    this.#suppressors = SUPPRESSORS.map((suppressor) => prepared(suppressor, at));
  }

  /** Why an alert is withheld in the groups of one route, given by its index. */
  inRoute(fingerprint: string, labels: Labels, route: number): readonly Cause[] {
    return this.#suppressors.flatMap((causes) =>
      causes(fingerprint, labels, (ofRoute) => ofRoute(route)),
    );
  }

  /**
   * Why an alert is withheld in the groups of all these routes. A route that withholds nothing releases
   * the alert from the causes of the other routes.
   */
  inAllOf(fingerprint: string, labels: Labels, routes: readonly number[]): readonly Cause[] {
    return this.#suppressors.flatMap((causes) =>
      causes(fingerprint, labels, (ofRoute) => unlessReleased(routes.map(ofRoute))),
    );
  }
}

function prepared(suppressor: Suppressor, at: StateAtTime): Prepared {
  const named = (subjects: readonly string[]): readonly Cause[] =>
    subjects.map((subject) => ({ kind: suppressor.kind, subject }));
  if (suppressor.scope === 'alert') {
    const ofAlert = suppressor.prepare(at);
    return (fingerprint, labels) => named(ofAlert(fingerprint, labels));
  }
  const ofRoute = suppressor.prepare(at);
  return (_fingerprint, _labels, ofRoutes) => named(ofRoutes(ofRoute));
}

function unlessReleased(perRoute: readonly (readonly string[])[]): readonly string[] {
  if (perRoute.some((subjects) => subjects.length === 0)) return [];
  return [...new Set(perRoute.flat())].sort();
}
