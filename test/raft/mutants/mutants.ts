/**
 * Bugs that Raft implementations had, or could have had, each as a change of one line of the core.
 *
 * They show that the tests catch bugs: each of these mutants must make a test fail. Every `was` must
 * occur exactly once in its file, so that no mutant becomes a no-op without notice.
 */

export interface Mutant {
  readonly name: string;
  /** File of src/raft. */
  readonly file: string;
  readonly was: string;
  readonly becomes: string;
}

export const MUTANTS: readonly Mutant[] = [
  {
    name: 'the vote is not written',
    file: 'writes.ts',
    was: '...(moved ? { hardState: hard } : {}),',
    becomes: '...(moved ? { hardState: { ...hard, vote: null } } : {}),',
  },
  {
    name: 'the term is not written',
    file: 'writes.ts',
    was: '...(moved ? { hardState: hard } : {}),',
    becomes: '...(moved ? { hardState: { ...hard, term: lastIndex === 0 ? 0 : 1 } } : {}),',
  },
  {
    name: 'a vote is sent before it is durable',
    file: 'election.ts',
    was: `sendWhenDurable(state, { type: 'voteReply'`,
    becomes: `send(state, { type: 'voteReply'`,
  },
  {
    name: 'a term is sent before it is durable',
    file: 'emit.ts',
    was: '(speaksForTerm ? state.withheld : state.outbox).push(message);',
    becomes: '(speaksForTerm && false ? state.withheld : state.outbox).push(message);',
  },
  {
    name: 'votes twice in a term',
    file: 'election.ts',
    was: 'return state.vote === candidate || (state.vote === null && state.leader === null);',
    becomes: 'return candidate !== state.id;',
  },
  {
    name: 'a pre-vote takes the vote back',
    file: 'roles.ts',
    was: `state.role = 'preCandidate';`,
    becomes: `state.role = 'preCandidate'; state.vote = null;`,
  },
  {
    name: 'a pre-vote raises the term',
    file: 'core.ts',
    was: `return message.type === 'preVote' || (message.type === 'preVoteReply' && message.granted);`,
    becomes: `return message.type === 'preVoteReply' && message.granted;`,
  },
  {
    name: 'an old pre-vote counts for a new term',
    file: 'election.ts',
    was: 'if (reply.granted && reply.term !== state.term + 1) return;',
    becomes: '',
  },
  {
    name: 'its own vote counts before it is durable',
    file: 'election.ts',
    was: `if (state.role !== 'candidate' || durableTerm !== state.term || durableVote !== state.id) return;`,
    becomes: `if (state.role !== 'candidate' || durableTerm > state.term || durableVote === '') return;`,
  },
  {
    name: 'a candidate with an older log is voted for',
    file: 'log.ts',
    was: 'return lastTerm > this.lastTerm || (lastTerm === this.lastTerm && lastIndex >= this.lastIndex);',
    becomes: 'return lastTerm >= 0 && lastIndex >= 0;',
  },
  {
    name: 'the longer log wins, whatever its term',
    file: 'log.ts',
    was: 'return lastTerm > this.lastTerm || (lastTerm === this.lastTerm && lastIndex >= this.lastIndex);',
    becomes: 'return lastIndex >= this.lastIndex && lastTerm >= 0;',
  },
  {
    name: 'a damaged voter votes',
    file: 'election.ts',
    was: 'const granted = freeToVoteFor(state, to) && !state.damaged && isCompleteEnough(state, request);',
    becomes: 'const granted = freeToVoteFor(state, to) && isCompleteEnough(state, request);',
  },
  {
    name: 'a new leader appends no empty entry',
    file: 'election.ts',
    was: '  appendNoop(state);\n',
    becomes: '',
  },
  {
    name: 'an entry of an older term is committed by counting',
    file: 'replication.ts',
    was: 'if (reached <= state.commit || state.log.term(reached) !== state.term) return false;',
    becomes: 'if (reached <= state.commit) return false;',
  },
  {
    name: 'the leader counts what its own disk does not hold',
    file: 'replication.ts',
    was: 'return voter === state.id ? state.log.durableIndex :',
    becomes: 'return voter === state.id ? state.log.lastIndex :',
  },
  {
    name: 'entries are confirmed before they are durable',
    file: 'follower.ts',
    was: 'if (index <= state.log.durableIndex) send(state, reply);',
    becomes: 'if (index >= 0) send(state, reply);',
  },
  {
    name: 'a promise to an older term is kept after it was taken back',
    file: 'core.ts',
    was: 'state.outbox.push(...released.filter((message) => message.term === state.term));',
    becomes: 'state.outbox.push(...released);',
  },
  {
    name: 'an acknowledgement counts for what was written since (ABA)',
    file: 'writes.ts',
    was: 'Math.min(newest.lastIndex, log.lastIndex, ...stillTakenBack),',
    becomes: 'Math.min(newest.lastIndex, log.lastIndex),',
  },
  {
    name: 'entries are applied before they are durable here',
    file: 'apply.ts',
    was: 'const upTo = Math.min(state.commit, state.log.durableIndex);',
    becomes: 'const upTo = state.commit;',
  },
  {
    name: 'every append truncates',
    file: 'follower.ts',
    was: 'return entry.index > state.commit && !state.log.matches(entry.index, entry.term);',
    becomes: 'return entry.index > 0;',
  },
  {
    name: 'entries are taken without looking at what comes before',
    file: 'follower.ts',
    was: 'if (!isCovered && !state.log.matches(prevIndex, prevTerm)) return refuse(state, append);',
    becomes: 'if (prevIndex > state.log.lastIndex) return refuse(state, append);',
  },
  {
    name: 'an append commits beyond its own entries',
    file: 'follower.ts',
    was: 'commitTo(state, Math.min(append.commit, lastNew));',
    becomes: 'commitTo(state, Math.min(append.commit, state.log.lastIndex));',
  },
  {
    name: 'a heartbeat commits beyond what is known to match',
    file: 'replication.ts',
    was: 'commit: Math.min(peer.match, state.commit),',
    becomes: 'commit: state.commit,',
  },
  {
    name: 'an append that begins below the commit index is accepted unread',
    file: 'follower.ts',
    was: '  refuseToUncommit(state, append);\n',
    becomes: '  if (prevIndex < state.commit) return accept(state, to, state.commit);\n',
  },
  {
    name: 'only the entries of an append are compared with what is committed',
    file: 'follower.ts',
    was: `  refuseAnother(state, { index: prevIndex, term: prevTerm }, 'an entry');\n`,
    becomes: '  void [prevIndex, prevTerm];\n',
  },
  {
    name: 'a snapshot of another history is taken for the one that is committed here',
    file: 'follower.ts',
    was: `  refuseAnother(state, snapshot, 'a snapshot');\n`,
    becomes: '',
  },
  {
    name: 'the commit index moves back',
    file: 'follower.ts',
    was: 'state.commit = Math.max(state.commit, index);',
    becomes: 'state.commit = index;',
  },
  {
    name: 'a learner counts',
    file: 'quorum.ts',
    was: 'return [config.voters, config.votersOutgoing].filter',
    becomes: 'return [[...config.voters, ...config.learners], config.votersOutgoing].filter',
  },
  {
    name: 'half is a majority',
    file: 'quorum.ts',
    was: 'return descending[Math.floor(side.length / 2)] ?? 0;',
    becomes: 'return descending[Math.floor((side.length - 1) / 2)] ?? 0;',
  },
  {
    name: 'one side of a joint configuration commits',
    file: 'quorum.ts',
    was: 'Math.min(...sides.map(',
    becomes: 'Math.max(...sides.map(',
  },
  {
    name: 'one side of a joint configuration elects',
    file: 'quorum.ts',
    was: `results.every((result) => result === 'won')`,
    becomes: `results.some((result) => result === 'won')`,
  },
  {
    name: 'a joint configuration is left before it is committed',
    file: 'replication.ts',
    was: 'return isJoint(config(state)) && config(state).autoLeave && configSettled(state);',
    becomes: 'return isJoint(config(state)) && config(state).autoLeave;',
  },
  {
    name: 'a change begins before the last one is committed',
    file: 'membership.ts',
    was: `if (!configSettled(state)) return reject(state, ref, 'config-pending');`,
    becomes: '',
  },
  {
    name: 'two voters change at once without a joint configuration',
    file: 'confchange.ts',
    was: `if (moved <= 1 && leave === 'auto')`,
    becomes: `if (moved <= 3 && leave === 'auto')`,
  },
  {
    name: 'a truncated configuration stays in force',
    file: 'follower.ts',
    was: '    state.configs.truncateFrom(first.index);\n',
    becomes: '',
  },
  {
    name: 'a removed leader keeps leading',
    file: 'membership.ts',
    was: 'if (configCommitted(state) && !isVoter(config(state), state.id)) giveUpLeadership(state);',
    becomes: '',
  },
  {
    name: 'a read is answered without a confirmation',
    file: 'reads.ts',
    was: 'return voter === state.id ? state.round : (state.peers.get(voter)?.ackedRound ?? 0);',
    becomes: 'return voter === "" ? 0 : state.round;',
  },
  {
    name: 'an old reply confirms a newer read',
    file: 'reads.ts',
    was: '  state.round++;\n',
    becomes: '  state.round = 1;\n',
  },
  {
    name: 'reads are answered before anything of the term is committed',
    file: 'reads.ts',
    was: 'if (state.waitingReads.length === 0 || !committedInOwnTerm(state)) return false;',
    becomes: 'if (state.waitingReads.length === 0) return false;',
  },
  {
    name: 'the answer to a read from before a restart answers a new one',
    file: 'state.ts',
    was: 'nextReadId: random.below(0x8000_0000) * 0x10_0000,',
    becomes: 'nextReadId: 1,',
  },
  {
    name: 'the target of a transfer is refused as a disturbance',
    file: 'core.ts',
    was: `(message.type === 'vote' && !message.transfer)`,
    becomes: `message.type === 'vote'`,
  },
  {
    name: 'a transfer that fails is never given up',
    file: 'transfer.ts',
    was: 'if (gone || waited >= patience) settleTransfer(state, null);',
    becomes: 'if (gone && waited >= patience) settleTransfer(state, null);',
  },
  {
    name: 'a snapshot replaces a newer log',
    file: 'follower.ts',
    was: 'if (snapshot.index <= state.commit) return accept(state, from, snapshot.index);',
    becomes: '',
  },
  {
    name: 'a snapshot drops entries that follow it',
    file: 'follower.ts',
    was: 'if (state.log.matches(snapshot.index, snapshot.term)) {',
    becomes: 'if (state.log.matches(snapshot.index, snapshot.term) && snapshot.index < 0) {',
  },
  {
    name: 'a member whose disk is of an earlier moment goes on to vote',
    file: 'core.ts',
    was: 'state.damaged = true;',
    becomes: '',
  },
  {
    name: 'a member whose disk is of an earlier moment votes a second time in a term',
    file: 'core.ts',
    was: 'state.vote ??= state.id;',
    becomes: 'state.damaged = false;',
  },
  {
    name: 'a member whose disk is of an earlier moment stays behind in its term',
    file: 'core.ts',
    was: 'becomeFollower(state, Math.max(term, state.term), null);',
    becomes: 'becomeFollower(state, state.term, null);',
  },
  {
    name: 'entries that a peer lost are never sent again',
    file: 'leader.ts',
    was: 'if ((reply.lost || isAgainstItsWord) && reply.hintIndex < peer.match) {',
    becomes: 'if (isAgainstItsWord && reply.hintIndex < peer.match) {',
  },
  {
    name: 'a peer that lacks what it acknowledged is probed at the same place for ever',
    file: 'leader.ts',
    was: 'if ((reply.lost || isAgainstItsWord) && reply.hintIndex < peer.match) {',
    becomes: 'if (reply.lost && reply.hintIndex < peer.match) {',
  },
  {
    name: 'a refused append is sent again as it was',
    file: 'leader.ts',
    was: 'Math.max(Math.min(reply.index, agreesAt + 1), peer.match + 1);',
    becomes: 'Math.max(reply.index + 1, agreesAt + 1, peer.match + 1);',
  },
  {
    name: 'entries are sent past the window',
    file: 'progress.ts',
    was: `return this.state === 'probe' ? !this.paused : !this.inflights.full();`,
    becomes: `return this.state === 'probe' ? !this.paused : true;`,
  },
  {
    name: 'a leader without a quorum keeps leading',
    file: 'leader.ts',
    was: 'if (!hasQuorum(state)) return becomeFollower(state, state.term, null);',
    becomes: '',
  },
  {
    name: 'a healthy leader is not protected from elections',
    file: 'core.ts',
    was: 'if (isElection(message) && hasRecentLeader(state)) return;',
    becomes: '',
  },
  {
    name: 'the proposer is not notified that leadership was lost',
    file: 'roles.ts',
    was: `if (ref !== null) emit(state, { type: 'indeterminate', ref, term, index });`,
    becomes: `if (ref === -1) emit(state, { type: 'indeterminate', ref, term, index });`,
  },
  {
    name: 'what was read from the disk is sent unchecked',
    file: 'replication.ts',
    was: 'if (entries.length === 0 || !state.log.agreesWith(peer.next, entries)) return;',
    becomes: 'if (entries.length === 0) return;',
  },
];
