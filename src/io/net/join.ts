/**
 * How a node without data asks a member to let it into the cluster.
 *
 * Promise: neither side rejects, and both end within a known time.
 */

import type { Candidate, JoinAnswer } from '../ports.ts';
import { reachableAt } from './addresses.ts';
import type { Dialled } from './dial.ts';
import type { Hello } from './hello.ts';

/** A change of the membership is a commit of the whole cluster, and may wait for a new leader. */
export const JOIN_LIMIT_MS = 10_000;

/** Asks the member that `dialWith` reaches. */
export async function askToJoin(
  candidate: Candidate,
  dialWith: (hello: Hello) => Promise<Dialled>,
): Promise<JoinAnswer> {
  const dialled = await dialWith({ kind: 'join', candidate });
  if (!dialled.ok) {
    const code = dialled.code === 'refused' ? 'refused' : 'retry';
    return { ok: false, code, message: dialled.problem };
  }
  dialled.socket.destroy();
  if (dialled.answer.kind === 'joined') return { ok: true, clusterId: dialled.answer.clusterId };
  return { ok: false, code: 'refused', message: 'it answers a question that was not asked' };
}

/** The candidate as this side can reach it. */
export function reachableCandidate(candidate: Candidate, remoteHost: string): Candidate {
  return {
    ...candidate,
    peerAddress: reachableAt(candidate.peerAddress, remoteHost),
    httpAddress: reachableAt(candidate.httpAddress, remoteHost),
  };
}
