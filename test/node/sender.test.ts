/** What a node says of attempts whose process is gone, and what it does not say of its own. */

import { expect, test } from 'vitest';
import { VirtualClock } from '../../src/io/sim/virtual-clock.ts';
import { VirtualTime } from '../../src/io/sim/virtual-time.ts';
import { Sender } from '../../src/io/node/sender.ts';
import type { Notifier } from '../../src/io/ports.ts';
import type { ApplyConfig } from '../../src/commands/config.ts';
import { INITIAL_STATE } from '../../src/projections/initial.ts';
import type { Notification, State } from '../../src/projections/state.ts';
import { config } from '../support/scenario-config.ts';
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
      onConnect: quiet,
    },
  );
  sender.start({ kind: 'attempt', notification: '7.0', try: 1, node: 'n1' });
  expect(sender.orphans()).toEqual([]);

  // Another one led, declared that try unknown, made the next one, and died.
  state = stateWith({ ...TRYING, tries: 2, node: 'n2' });
  expect(sender.orphans()).toMatchObject([{ notification: '7.0', try: 2, result: 'unknown' }]);
});

const SINCE: readonly (readonly [
  what: string,
  change: Partial<Notification>,
  isWritten: boolean,
])[] = [
  ['is still under way', {}, true],
  ['another leader has declared unknown', { status: 'owed', uncertain: true }, false],
  ['another leader has repeated', { tries: 2, node: 'n2' }, false],
];
test.for(SINCE)(
  'a node that leads again writes what it connected for, if the try %s',
  async ([, change, isWritten]) => {
    const time = new VirtualTime();
    let state = stateWith(TRYING);
    let connected = quiet;
    let written: boolean | undefined;
    const webhook: Notifier = {
      type: 'webhook',
      probe: () => Promise.resolve(true),
      send: async ({ confirm }) => {
        await new Promise<void>((resolve) => (connected = resolve));
        const confirmation = await confirm();
        written = confirmation.isFresh();
        return { result: 'delivered', status: 200, detail: '' };
      },
    };
    const sender = new Sender(
      { node: 'n1', clusterId: 'c', externalUrl: () => '' },
      {
        clock: new VirtualClock({ epochMs: 0 }, { time }),
        logger: { debug: quiet, info: quiet, warn: quiet, error: quiet },
        notifiers: new Map([['webhook', webhook]]),
        state: () => state,
        // By now it leads in a later term.
        confirmLeadership: () => Promise.resolve({ isFresh: () => true }),
        report: quiet,
        onConnect: quiet,
      },
    );
    sender.start({ kind: 'attempt', notification: '7.0', try: 1, node: 'n1' });
    state = stateWith({ ...TRYING, ...change });
    connected();
    await time.run(1);
    expect(written).toBe(isWritten);
  },
);

function stateWith(notification: Notification): State {
  const notifications = changedTable(emptyTable<Notification>(), [['7.0', notification]]);
  const command: ApplyConfig = {
    kind: 'config',
    origin: 'tocsin.yml',
    source: '',
    externalUrl: null,
    config: config(),
  };
  return { ...INITIAL_STATE, config: { index: 1, at: 0, command }, notifications };
}

function quiet(): void {}
