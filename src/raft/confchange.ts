/**
 * Changing the membership: from one configuration and some changes to the next.
 *
 * Promise: any two configurations that follow one another share a member of every quorum pair,
 * because one voter at most changes at a time (thesis 4.1) or the joint configuration lies between
 * (thesis 4.3). A config entry holds the whole configuration, so nothing has to be folded.
 */

import type { ConfChange, ConfState, NodeId } from './types.ts';

export const EMPTY_CONFIG: ConfState = {
  voters: [],
  votersOutgoing: [],
  learners: [],
  learnersNext: [],
  promote: [],
  autoLeave: false,
};

export type ChangeResult =
  | { readonly ok: true; readonly confState: ConfState }
  | { readonly ok: false; readonly detail: string };

export function isJoint(config: ConfState): boolean {
  return config.votersOutgoing.length > 0;
}

export function isVoter(config: ConfState, node: NodeId): boolean {
  return config.voters.includes(node) || config.votersOutgoing.includes(node);
}

/** Everyone who is sent the log, sorted. */
export function members(config: ConfState): readonly NodeId[] {
  return sorted([
    ...config.voters,
    ...config.votersOutgoing,
    ...config.learners,
    ...config.learnersNext,
  ]);
}

/** The configuration after `changes`: joint if more than one voter comes or goes. */
export function changeConfig(
  current: ConfState,
  changes: readonly ConfChange[],
  leave: 'auto' | 'explicit',
): ChangeResult {
  if (changes.length === 0) return leaveIfJoint(current);
  if (isJoint(current)) return refuse('a joint configuration must be left first');
  const target = targetOf(current, changes);
  if (typeof target === 'string') return refuse(target);
  const moved = symmetricDifference(current.voters, target.voters);
  if (moved <= 1 && leave === 'auto') return { ok: true, confState: target };
  return { ok: true, confState: jointConfig(current, target, leave) };
}

/** The configuration on the other side of a joint one. */
export function leaveJoint(config: ConfState): ConfState {
  return {
    voters: config.voters,
    votersOutgoing: [],
    learners: sorted([...config.learners, ...config.learnersNext]),
    learnersNext: [],
    promote: config.promote,
    autoLeave: false,
  };
}

/** UTF-8 JSON with keys in one order, so that equal configurations are equal bytes. */
export function encodeConfState(config: ConfState): Uint8Array {
  const { voters, votersOutgoing, learners, learnersNext, promote, autoLeave } = config;
  return new TextEncoder().encode(
    JSON.stringify({ voters, votersOutgoing, learners, learnersNext, promote, autoLeave }),
  );
}

/** Throws on anything that `encodeConfState` did not write. */
export function decodeConfState(data: Uint8Array): ConfState {
  const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(data));
  if (!isConfState(value)) {
    throw new Error('raft: a config entry does not hold a configuration; the log is damaged');
  }
  return value;
}

function leaveIfJoint(current: ConfState): ChangeResult {
  if (!isJoint(current)) return refuse('no change was given, and nothing joint is to be left');
  return { ok: true, confState: leaveJoint(current) };
}

/** The configuration that the changes request, without the joint step; or why they are refused. */
function targetOf(current: ConfState, changes: readonly ConfChange[]): ConfState | string {
  const voters = new Set(current.voters);
  const learners = new Set(current.learners);
  const promote = new Set(current.promote);
  const seen = new Set<NodeId>();
  for (const { op, node } of changes) {
    if (node === '') return 'a node without a name';
    if (seen.has(node)) return `two changes for ${node}`;
    if (op === 'join' && voters.has(node)) return `${node} is a voter already`;
    seen.add(node);
    for (const list of [voters, learners, promote]) list.delete(node);
    if (op === 'voter') voters.add(node);
    if (op === 'learner' || op === 'join') learners.add(node);
    if (op === 'join') promote.add(node);
  }
  if (voters.size === 0) return 'no voter would be left';
  const target: ConfState = {
    ...EMPTY_CONFIG,
    voters: sorted(voters),
    learners: sorted(learners),
    promote: sorted(promote),
  };
  return sameMembers(current, target) ? 'nothing would change' : target;
}

function jointConfig(from: ConfState, to: ConfState, leave: 'auto' | 'explicit'): ConfState {
  const stillVotes = new Set(from.voters);
  return {
    ...to,
    votersOutgoing: from.voters,
    learners: to.learners.filter((node) => !stillVotes.has(node)),
    learnersNext: to.learners.filter((node) => stillVotes.has(node)),
    autoLeave: leave === 'auto',
  };
}

function symmetricDifference(before: readonly NodeId[], after: readonly NodeId[]): number {
  const gone = before.filter((node) => !after.includes(node)).length;
  const come = after.filter((node) => !before.includes(node)).length;
  return gone + come;
}

function sameMembers(a: ConfState, b: ConfState): boolean {
  const parts = (config: ConfState): string => {
    return JSON.stringify([config.voters, config.learners, config.promote]);
  };
  return parts(a) === parts(b);
}

function sorted(nodes: Iterable<NodeId>): readonly NodeId[] {
  // Array sort without a comparator is by code unit: the same in every locale.
  return [...new Set(nodes)].sort();
}

function refuse(detail: string): ChangeResult {
  return { ok: false, detail };
}

function isConfState(value: unknown): value is ConfState {
  if (typeof value !== 'object' || value === null) return false;
  const fields = value as Record<string, unknown>;
  const lists = ['voters', 'votersOutgoing', 'learners', 'learnersNext', 'promote'];
  return (
    lists.every((name) => isNameList(fields[name])) && typeof fields['autoLeave'] === 'boolean'
  );
}

function isNameList(value: unknown): boolean {
  return Array.isArray(value) && value.every((node) => typeof node === 'string');
}
