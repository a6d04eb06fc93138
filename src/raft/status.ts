/** What the core shows of itself: a fresh plain object, safe to keep. */

import { pendingReads } from './reads.ts';
import { sortedPeers } from './replication.ts';
import { configCommitted, isStalled } from './state.ts';
import type { RaftState } from './state.ts';
import type { PeerStatus, RaftStatus } from './types.ts';

export function statusOf(state: RaftState): RaftStatus {
  const { log } = state;
  return {
    id: state.id,
    role: state.role,
    term: state.term,
    vote: state.vote,
    leader: state.leader,
    firstIndex: log.firstIndex,
    lastIndex: log.lastIndex,
    lastTerm: log.lastTerm,
    durableIndex: log.durableIndex,
    commitIndex: state.commit,
    appliedIndex: state.applied,
    snapshotIndex: state.snapshot?.index ?? 0,
    config: state.configs.current,
    configCommitted: configCommitted(state),
    uncommittedBytes: state.uncommittedBytes,
    windowBytes: log.windowBytes,
    pendingPersists: state.writes.pending,
    pendingReads: pendingReads(state),
    transferTarget: state.transfer?.to ?? null,
    stalled: isStalled(state),
    damaged: state.damaged,
    electionElapsed: state.electionElapsed,
    peers: peersOf(state),
  };
}

function peersOf(state: RaftState): Record<string, PeerStatus> {
  const peers: Record<string, PeerStatus> = {};
  for (const peer of sortedPeers(state)) {
    const { snapshot } = peer;
    peers[peer.id] = {
      state: peer.state,
      match: peer.match,
      next: peer.next,
      inflightMessages: peer.inflights.messages,
      inflightBytes: peer.inflights.bytes,
      ticksSinceContact: state.tick - peer.lastContactTick,
      snapshot:
        snapshot === null
          ? null
          : { index: snapshot.meta.index, done: snapshot.done, total: snapshot.total },
    };
  }
  return peers;
}
