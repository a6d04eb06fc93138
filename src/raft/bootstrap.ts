/** What to restore where there is nothing to restore yet. */

import { EMPTY_CONFIG } from './confchange.ts';
import type { NodeId, Restored } from './types.ts';

/**
 * An empty disk. With `voters`, the first members of a new cluster, who must all be given the same
 * names; without, a node that waits to be invited by a leader and never campaigns until then.
 */
export function emptyDisk(voters: readonly NodeId[] = []): Restored {
  const confState = { ...EMPTY_CONFIG, voters: [...new Set(voters)].sort() };
  return {
    hardState: { term: 0, vote: null, commit: 0 },
    configs: [{ index: 0, confState }],
    compacted: { index: 0, term: 0 },
    lastIndex: 0,
    terms: [],
    snapshot: null,
    appliedIndex: 0,
  };
}
