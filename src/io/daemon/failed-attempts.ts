/** Logs the attempts that delivered nothing, for people who read the log of the node that tried. */

import type { AppliedEntry, Logger } from '../ports.ts';

/** A notification that did not arrive must be seen in the log of the node that tried, too. */
export function warnOfFailedAttempts({ transitions }: AppliedEntry, logger: Logger): void {
  for (const transition of transitions) {
    if (transition.kind !== 'notification') continue;
    const { id, integration, group, status, result, detail } = transition;
    if (result === undefined || result === 'delivered') continue;
    logger.warn('notification not delivered', {
      notification: id,
      integration,
      group,
      status,
      detail,
    });
  }
}
