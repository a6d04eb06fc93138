/**
 * The clock that senders of readings go by: what the node believes of all wall clocks, so that no leap of
 * this machine's own clock makes a point late. Without a leader the last one that was believed goes on.
 */

import { clientTime } from '../http/modules.ts';
import type { Clock, NodeHandle } from '../ports.ts';

export function senderClock(node: Pick<NodeHandle, 'time'>, clock: Clock): Clock {
  return {
    now: () => clientTime(node),
    monotonicMs: () => clock.monotonicMs(),
    after: (delayMs, task) => clock.after(delayMs, task),
  };
}
