/**
 * `--standalone`, for the day when a majority is lost for good: this node's data become those of a
 * cluster of one. docs/standalone.md is the page for the person who does it at night.
 *
 * Promise: it is refused while the cluster lives; it happens once for each time that the flag is put
 * on the command line, however often the process restarts, also in the middle of it; it says what may
 * be missing.
 */

import type { Clock, Logger } from '../ports.ts';
import type { ClusterJoiner } from './cluster-joiner.ts';
import { EXIT } from './exit.ts';
import { StartupError } from './startup-error.ts';
import type { Storage } from './storage.ts';

/** Gives back the cluster that goes on alone from here, or null when there was nothing to do. */
export async function forceNewCluster(
  storage: Storage,
  joiner: Pick<ClusterJoiner, 'findReachableMember'>,
  { clock, logger }: { readonly clock: Clock; readonly logger: Logger },
): Promise<string | null> {
  const { clusterId, file } = storage;
  if (clusterId === null) {
    const message =
      '--standalone goes on with the data of a member, and this data directory has none. ' +
      'Name the directory of a member with --data-dir, or start without --standalone.';
    throw new StartupError(message, EXIT.usage);
  }
  const { isStandalone, others } = file.facts;
  if (storage.isRecovering) {
    // The process ended in the middle of it: what the log says of its cluster is final already.
    logger.warn('standalone: the recovery that was interrupted is completed', { clusterId });
  } else if (isStandalone) {
    logger.warn('standalone already: take the flag away once you have read this', { clusterId });
    return null;
  } else if (others.length === 0) {
    logger.warn('standalone has nothing to do: this is a cluster of one', { clusterId });
    return null;
  }
  const living = storage.isRecovering ? null : await joiner.findReachableMember();
  if (living !== null) {
    const message =
      `--standalone is for a cluster that has lost its majority, and this one still works: its member at ` +
      `${living} knows a leader. Start without --standalone, or stop the others first.`;
    throw new StartupError(message);
  }
  const result = await storage.forkAsSingleNode(clusterId);
  if (!result.ok) throw new StartupError(result.message, result.exit);
  const { clusterId: recovered, lastAt, lastIndex } = result.recovered;
  const last = lastAt === null ? 'an unknown time' : new Date(lastAt).toISOString();
  const minutes = lastAt === null ? '?' : Math.round((clock.now() - lastAt) / 60_000);
  logger.warn('standalone: a new cluster of one goes on from the data of this node', {
    clusterId: recovered,
    before: clusterId,
    lastIndex,
    lastEntryAt: last,
    mayMiss: `whatever the others committed after entry ${lastIndex} (${last}, ${minutes} min ago)`,
    hint: 'to become members again, the others start with an empty data directory and --join',
  });
  return recovered;
}
