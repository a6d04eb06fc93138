/** What a node says of attempts whose process is gone, and what it does not say of its own. */

import { expect, test } from 'vitest';
import { VirtualClock } from '../../src/io/sim/virtual-clock.ts';
import { VirtualTime } from '../../src/io/sim/virtual-time.ts';
import { Sender } from '../../src/io/node/sender.ts';
import { INITIAL_STATE } from '../../src/projections/initial.ts';
import type { Notification, State } from '../../src/projections/state.ts';
import { changedTable, emptyTable } from '../../src/projections/table.ts';

const TRYING: Notification = {
  group: 'g',
  groupText: 'g',
  groupLabels: [],
  receiver: 'team',
  integration: 'team/webhook[0]',
  reason: 'first notification',
  decidedAt: 0,
  alerts: [],
  firing: [],
  resolved: [],
  status: 'trying',
  tries: 1,
  wakeAt: 0,
  uncertain: false,
  node: 'n1',
  lastResult: '',
  lastAt: 0,
};

test('a node that leads again answers for the try of a dead leader, though its own still runs', () => {
  const time = new VirtualTime();
  let state = stateWith(TRYING);
  const sender = new Sender(
    { node: 'n1', clusterId: 'c', externalUrl: () => '' },
    {
      clock: new VirtualClock({ epochMs: 0 }, { time }),
      logger: { debug: quiet, info: quiet, warn: quiet, error: quiet },
      notifiers: new Map(),
      state: () => state,
      // The receiver is slow: the first try has no answer as long as this test lasts.
      confirmLeadership: () => new Promise(() => undefined),
      report: quiet,
    },
  );
  sender.start({ kind: 'attempt', notification: '7.0', try: 1, node: 'n1' });
  expect(sender.orphans()).toEqual([]);

  // Another one led, declared that try unknown, made the next one, and died.
  state = stateWith({ ...TRYING, tries: 2, node: 'n2' });
  expect(sender.orphans()).toMatchObject([{ notification: '7.0', try: 2, result: 'unknown' }]);
});

function stateWith(notification: Notification): State {
  const notifications = changedTable(emptyTable<Notification>(), [['7.0', notification]]);
  return { ...INITIAL_STATE, notifications };
}

function quiet(): void {}
