/** The state before the first entry of a log. */

import { REDUCER_VERSION, type State } from './state.ts';
import { emptyTable } from './table.ts';

export const INITIAL_STATE: State = {
  config: null,
  facts: { seriesCount: 0, checkIds: {}, nextCheckId: 1, listeningSince: 0 },
  series: {},
  breaches: {},
  seen: {},
  alerts: emptyTable(),
  groups: emptyTable(),
  silences: emptyTable(),
  notifications: emptyTable(),
  members: emptyTable(),
  requests: emptyTable(),
  audit: {},
  reducers: { version: REDUCER_VERSION },
  foldTimers: {},
  flushTimers: {},
  attemptTimers: {},
};
