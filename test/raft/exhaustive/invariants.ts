/** What must be true of every state that the exhaustive search visits (paper, figure 3). */

import type { NodeId } from '../../../src/raft/types.ts';
import type { Facts } from './local.ts';

/** What ever came to be, also where every node has forgotten it. */
export interface History {
  /** The longest log that any node ever knew as committed. */
  readonly committed: readonly string[];
  /** Who led, by term from 1 on; null where nobody did. */
  readonly leaders: readonly (NodeId | null)[];
}

/**
 * Election Safety and Leader Completeness, at the moment when somebody begins to lead. A leader of
 * an older term may come late, and owes nothing to what was committed after its term.
 */
export function checkElected({ node, term, log }: Facts, { committed, leaders }: History): void {
  const other = leaders[term - 1] ?? null;
  if (other !== null && other !== node) fail(`${other} and ${node} both led in term ${term}`);
  const missing = committed.findIndex((entry, at) => {
    return Number(termOf(entry)) < term && log[at] !== entry;
  });
  if (missing !== -1) fail(`${node} leads in term ${term} without committed ${missing + 1}`);
}

/** The longest committed log with what the nodes know now. State Machine Safety on the way. */
export function committedBy(facts: readonly Facts[], before: readonly string[]): readonly string[] {
  let longest = before;
  for (const { node, log, commit } of facts) {
    const mine = log.slice(0, commit);
    if (!mine.every((entry, at) => (longest[at] ?? entry) === entry)) {
      fail(`${node} commits ${mine.join(', ')} where ${longest.join(', ')} was committed`);
    }
    if (mine.length > longest.length) longest = mine;
  }
  return longest;
}

export function checkState(facts: readonly Facts[], { committed }: History): void {
  for (const [at, one] of facts.entries()) {
    for (const other of facts.slice(at + 1)) checkLogMatching(one, other);
  }
  for (const [at, entry] of committed.entries()) {
    const holders = facts.filter(({ durableLog }) => durableLog[at] === entry).length;
    if (holders * 2 <= facts.length) fail(`committed ${at + 1} is on ${holders} disks only`);
  }
}

/** One entry in common means everything before in common. */
function checkLogMatching(one: Facts, other: Facts): void {
  let match = Math.min(one.log.length, other.log.length) - 1;
  while (match >= 0 && termOf(one.log[match]) !== termOf(other.log[match])) match--;
  for (let at = 0; at <= match; at++) {
    if (one.log[at] !== other.log[at]) {
      fail(`logs of ${one.node} and ${other.node} agree at ${match + 1} but not at ${at + 1}`);
    }
  }
}

function termOf(entry: string | undefined): string {
  return entry?.split(' ')[0] ?? '';
}

function fail(what: string): never {
  throw new Error(what);
}
