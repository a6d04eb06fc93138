/**
 * What a message must be before the core acts on it.
 *
 * Promise: whatever its sender and content, a message either fits the state of this node or is
 * refused with a reason; nothing that arrives makes the core throw, save a conflict below the commit
 * index with a member, which `follower.ts` checks. A refused message changes nothing.
 */

import { decodeConfState, members } from './confchange.ts';
import { hasRecentLeader } from './election.ts';
import { isSoleVoter } from './roles.ts';
import type { RaftState } from './state.ts';
import type { Append, ConfState, Entry, Message, NodeId } from './types.ts';

/** Terms and indexes that no cluster reaches: a thousand a second make 8,900 years. */
export const TERM_LIMIT = 0x1_0000_0000_0000;
export const INDEX_LIMIT = 0x1_0000_0000_0000;

/**
 * How far beyond its own term a node at the limit still follows. Without it, a sender that makes a cluster
 * reach the last term below the limit would leave it without a leader for good. A member that was away
 * meanwhile cannot follow: terms are to be guarded by a secret or TLS, not by arithmetic.
 */
const TERMS_PAST_LIMIT = 0x10_0000;

/** `non-member`: no known configuration names the sender. `absurd`: no correct member sends this. */
export interface Fault {
  readonly kind: 'non-member' | 'absurd';
  readonly problem: string;
}

/** Why the core does not act on `message`, or null. */
export function faultOf(state: RaftState, message: Message): Fault | null {
  if (isStranger(state, message.from)) {
    const problem = problemOfStranger(state, message);
    if (problem !== null) return { kind: 'non-member', problem };
  }
  const problem = problemOfTerm(state, message.term) ?? problemOf(state, message);
  return problem === null ? null : { kind: 'absurd', problem: `${message.type} ${problem}` };
}

/**
 * Whether a node is in neither the configuration in force nor the one before. The leader that a
 * follower has accepted is none, and for a node without a configuration no sender is.
 */
function isStranger(state: RaftState, node: NodeId): boolean {
  if (node === state.leader || state.peers.has(node)) return false;
  const { current } = state.configs;
  const known = members(current.confState);
  if (known.length === 0 || known.includes(node)) return false;
  return !members(state.configs.at(current.index - 1).confState).includes(node);
}

/**
 * A follower without a leader may lag behind the configuration that made the sender a member, so it
 * must vote for it and follow it (thesis 4.2). Every other node has the list of members: a leader has every
 * configuration that was committed, and a sole voter has no other beside it.
 */
function problemOfStranger(state: RaftState, message: Message): string | null {
  const who = `${message.type} of a node that is not a member`;
  if (state.role === 'leader' || (isSoleVoter(state) && !state.damaged)) return who;
  if (hasRecentLeader(state)) return `${who}, and a member is leader`;
  switch (message.type) {
    case 'append':
      return contradictsCommitted(state, message) ? `${who}, against what is committed` : null;
    case 'preVote':
    case 'vote':
    case 'heartbeat':
    case 'snapshot':
      return null;
    default:
      return `${who}, and no pre-vote or vote asked for it`;
  }
}

function contradictsCommitted(state: RaftState, append: Append): boolean {
  const { prevIndex: index, prevTerm: term, entries } = append;
  return [{ index, term }, ...entries].some((each) => {
    const own = state.log.term(each.index);
    return each.index <= state.commit && own !== undefined && own !== each.term;
  });
}

function problemOfTerm(state: RaftState, term: number): string | null {
  if (term < TERM_LIMIT || term <= state.term + TERMS_PAST_LIMIT) return null;
  return `names term ${term}, and terms end at ${TERM_LIMIT}`;
}

function problemOf(state: RaftState, message: Message): string | null {
  switch (message.type) {
    case 'preVote':
    case 'vote':
      return message.lastTerm < message.term ? null : 'asks for a term that its log has reached';
    case 'append':
      return problemOfLeader(state, message) ?? problemOfAppend(message);
    case 'heartbeat':
      return problemOfLeader(state, message);
    case 'snapshot': {
      const { index, term, config: of } = message.snapshot;
      const fits = term <= message.term && of.index <= index && isUsable(of.confState);
      return problemOfLeader(state, message) ?? (fits ? null : 'has a snapshot that cannot be');
    }
    case 'appendReply': {
      const { lastIndex } = state.log;
      const beyond = [message.index, message.hintIndex].find((index) => index > lastIndex);
      if (!isOwn(state, message) || beyond === undefined) return null;
      return `names entry ${beyond}, and the log ends at ${lastIndex}`;
    }
    case 'heartbeatReply': {
      if (!isOwn(state, message) || message.round <= state.round) return null;
      return `confirms round ${message.round}, and ${state.round} was sent`;
    }
    case 'preVoteReply':
    case 'voteReply':
    case 'timeoutNow':
    case 'readIndex':
    case 'readIndexReply':
      return null;
  }
}

/** Whether it answers a request of this node as the leader of this term. */
function isOwn(state: RaftState, message: Message): boolean {
  return state.role === 'leader' && message.term === state.term;
}

/** A term has one leader. If two claim to be it, one claim is false, and the first is kept. */
function problemOfLeader(state: RaftState, { from, term }: Message): string | null {
  if (from === state.id) return 'comes from this node itself';
  if (term !== state.term || state.leader === null || state.leader === from) return null;
  return `names ${from} as leader of term ${term}, and ${state.leader} is its leader`;
}

function problemOfAppend({ term, prevIndex, prevTerm, entries }: Append): string | null {
  let before = { index: prevIndex, term: prevTerm };
  for (const entry of entries) {
    if (entry.index !== before.index + 1 || entry.term < before.term) {
      return `puts ${entry.term}/${entry.index} after ${before.term}/${before.index}`;
    }
    if (entry.type === 'config' && !isConfig(entry)) {
      return `has no configuration in the entry ${entry.index} of one`;
    }
    before = entry;
  }
  return before.term <= term ? null : `of term ${term} has an entry of term ${before.term}`;
}

function isConfig({ data }: Entry): boolean {
  try {
    return isUsable(decodeConfState(data));
  } catch {
    return false;
  }
}

/** A configuration in which something can be committed. */
function isUsable({ voters }: ConfState): boolean {
  return voters.length > 0;
}
