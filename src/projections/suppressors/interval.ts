/** Time intervals withhold the alerts of a route, inside mute intervals and outside active ones. */

import { mutingIntervalsOf } from '../muting.ts';
import { routingOf } from '../routing.ts';
import type { Suppressor } from './suppressor.ts';

/** The subjects are the names of the intervals. */
export const intervalSuppressor: Suppressor = {
  kind: 'interval',
  scope: 'route',
  prepare: ({ state, now, localTimeIn }) => {
    const byRoute = new Map<number, readonly string[]>();
    const config = state.config?.command.config;
    return (route) => {
      const known = byRoute.get(route);
      if (known !== undefined) return known;
      const node = config === undefined ? undefined : routingOf(config).nodes[route];
      const names =
        config === undefined || node === undefined
          ? []
          : mutingIntervalsOf(config, node, now, localTimeIn);
      byRoute.set(route, names);
      return names;
    };
  },
};
