/**
 * Arithmetic of majorities, plain and joint.
 *
 * Promise: in a joint configuration nothing is decided without a majority of each side
 * (thesis 4.3), and a configuration without voters decides nothing at all.
 */

import type { ConfState, NodeId } from './types.ts';

export type Tally = 'won' | 'lost' | 'pending';

/** Highest index that a quorum has reached, when each voter has reached `indexOf(voter)`. */
export function quorumIndex(config: ConfState, indexOf: (voter: NodeId) => number): number {
  const sides = voterSides(config);
  return sides.length === 0 ? 0 : Math.min(...sides.map((side) => majorityIndex(side, indexOf)));
}

/** What the votes so far amount to; a voter without a vote may still vote either way. */
export function tally(config: ConfState, votes: ReadonlyMap<NodeId, boolean>): Tally {
  const results = voterSides(config).map((side) => majorityTally(side, votes));
  if (results.includes('lost')) return 'lost';
  return results.length > 0 && results.every((result) => result === 'won') ? 'won' : 'pending';
}

/** Whether `holds` is true of a quorum. */
export function quorumHolds(config: ConfState, holds: (voter: NodeId) => boolean): boolean {
  return quorumIndex(config, (voter) => (holds(voter) ? 1 : 0)) === 1;
}

function voterSides(config: ConfState): (readonly NodeId[])[] {
  return [config.voters, config.votersOutgoing].filter((side) => side.length > 0);
}

function majorityIndex(side: readonly NodeId[], indexOf: (voter: NodeId) => number): number {
  const descending = side.map(indexOf).sort((a, b) => b - a);
  return descending[Math.floor(side.length / 2)] ?? 0;
}

function majorityTally(side: readonly NodeId[], votes: ReadonlyMap<NodeId, boolean>): Tally {
  const needed = Math.floor(side.length / 2) + 1;
  const granted = side.filter((voter) => votes.get(voter) === true).length;
  const refused = side.filter((voter) => votes.get(voter) === false).length;
  if (granted >= needed) return 'won';
  return side.length - refused < needed ? 'lost' : 'pending';
}
