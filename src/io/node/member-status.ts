/** The members of the cluster at a glance, as one of them sees the others. */

import type { State } from '../../projections/state.ts';
import { get } from '../../projections/table.ts';
import { isVoter, members } from '../../raft/confchange.ts';
import type { NodeId, RaftStatus } from '../../raft/types.ts';
import type { FitnessReport, MemberStatus, Role } from '../ports.ts';

/** What a node has of itself before the log has it. */
export interface Self {
  readonly nodeId: NodeId;
  readonly name: string;
  readonly http: string;
  readonly peer: string;
  readonly tickMs: number;
  readonly clockOffsetMs: (node: NodeId) => number | null;
  /** Of this node, and what the others report of theirs. */
  readonly fitness: FitnessReport;
  readonly fitnessOf: (node: NodeId) => FitnessReport | null;
}

/** Sorted by name. A node that belongs to no cluster yet shows itself alone. */
export function memberStatuses(
  raft: RaftStatus,
  state: State,
  self: Self,
): readonly MemberStatus[] {
  const { confState } = raft.config;
  const ids = new Set([...members(confState), self.nodeId]);
  const statuses = [...ids].map((nodeId): MemberStatus => {
    const row = get(state.members, nodeId);
    const isSelf = nodeId === self.nodeId;
    const peer = raft.peers[nodeId];
    return {
      nodeId,
      name: isSelf ? self.name : (row?.name ?? nodeId),
      peerAddress: isSelf ? self.peer : (row?.peer ?? ''),
      httpAddress: isSelf ? self.http : (row?.http ?? ''),
      role: roleIn(raft, nodeId),
      lag: peer === undefined || isUnknown(peer) ? null : Math.max(0, raft.lastIndex - peer.match),
      silentMs: peer === undefined ? null : peer.ticksSinceContact * self.tickMs,
      clockOffsetMs: isSelf ? 0 : self.clockOffsetMs(nodeId),
      fitness: isSelf ? self.fitness : self.fitnessOf(nodeId),
    };
  });
  return statuses.toSorted((a, b) => compare(a.name, b.name) || compare(a.nodeId, b.nodeId));
}

/** A leader without a frame of a member has no figure of what that member holds. */
function isUnknown({ match, ticksSinceContact }: RaftStatus['peers'][NodeId]): boolean {
  return match === 0 && ticksSinceContact > SILENT_TICKS;
}

const SILENT_TICKS = 10;

/** A node's part in the cluster, as this core sees it. */
export function roleIn({ config, id, leader, role }: RaftStatus, nodeId: NodeId): Role {
  if (nodeId === leader) return 'leader';
  if (!isVoter(config.confState, nodeId)) return 'learner';
  if (nodeId !== id) return 'follower';
  return role === 'preCandidate' || role === 'candidate' ? 'candidate' : 'follower';
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
