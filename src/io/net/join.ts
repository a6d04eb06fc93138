/**
 * How a node asks a member to let it into the cluster, or tells it that it is somewhere else now.
 *
 * Promise: neither side rejects, and both end within a known time.
 */

import type { JoinRequest, JoinAnswer } from '../ports.ts';
import { reachableAt } from './addresses.ts';
import type { Dialled } from './dial.ts';
import type { Hello } from './hello.ts';

/** A change of the membership is a commit of the whole cluster, and may wait for a new leader. */
export const JOIN_LIMIT_MS = 10_000;

/** Asks the member that `dialWith` reaches. */
export async function askToJoin(
  applicant: JoinRequest,
  dialWith: (hello: Hello) => Promise<Dialled>,
): Promise<JoinAnswer> {
  const dialled = await dialWith({ kind: 'join', applicant });
  if (!dialled.ok) {
    const { code: answered } = dialled;
    // Nobody is told by a process that asks to join that it is outdated: it has no start yet.
    const isKnown = answered === 'retry' || answered === 'refused' || answered === 'superseded';
    const code = isKnown ? answered : 'retry';
    return { ok: false, code, message: dialled.problem };
  }
  dialled.socket.destroy();
  if (dialled.answer.kind === 'joined') return { ok: true, clusterId: dialled.answer.clusterId };
  return { ok: false, code: 'refused', message: 'it answers a question that was not asked' };
}

/** The applicant as this side can reach it. */
export function verifyReachable(applicant: JoinRequest, remoteHost: string): JoinRequest {
  return {
    ...applicant,
    peerAddress: reachableAt(applicant.peerAddress, remoteHost),
    httpAddress: reachableAt(applicant.httpAddress, remoteHost),
  };
}
