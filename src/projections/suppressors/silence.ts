/** Silences withhold the alerts that all their matchers match, while they are active. */

import { matchesAll } from '../matching.ts';
import { silenceStatus } from '../silences.ts';
import { entries } from '../table.ts';
import type { Suppressor } from './suppressor.ts';

/** The subjects are the ids of the silences. */
export const silenceSuppressor: Suppressor = {
  kind: 'silence',
  scope: 'alert',
  prepare: ({ state, now }) => {
    const active = [...entries(state.silences)].filter(
      ([, silence]) => silenceStatus(silence, now) === 'active',
    );
    return (_fingerprint, labels) =>
      active.filter(([, { matchers }]) => matchesAll(matchers, labels)).map(([id]) => id);
  },
};
