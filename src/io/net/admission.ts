/**
 * Who may connect to this node: the questions that every hello must answer.
 *
 * Promise: pure; each refusal is a sentence that makes sense on both sides, and says what to do.
 */

import { epochOf } from '../../log/epoch.ts';
import type { PeerHello } from './hello.ts';

/** Who asks the questions. */
export interface Host {
  readonly clusterId: string;
  readonly nodeId: string;
  readonly name: string;
  /** Where it says that it listens. */
  readonly address: string;
}

/** What the host has seen of the member that says hello. */
export interface Seen {
  /** The highest incarnation; -1 for none. */
  readonly incarnation: number;
  /** The nonce of the process that had it, connected or not: no two starts have one number. */
  readonly nonce: string | null;
  /** It was heard within the last seconds. */
  readonly isAlive: boolean;
}

/** No node starts so often unseen: once a second, that is twelve days. */
const UNSEEN_STARTS_MAX = 1_048_576;
/** Starts are counted from the milliseconds of the epoch at which the node was made: the year 2248. */
const FIRST_START_MAX = 0x800_0000_0000;

/**
 * Why the speaker of `hello` may not come in, or null. `isProven`: TLS or a secret shows that it
 * belongs to the cluster. Without either, what it says of its starts is believed only as far as it
 * cannot keep the real member out.
 */
export function refusalOf(
  hello: PeerHello,
  host: Host,
  seen: Seen,
  isProven: boolean,
): string | null {
  const { nodeId, name, incarnation } = hello;
  if (hello.clusterId !== host.clusterId) return otherCluster(hello, host);
  if (hello.to !== host.nodeId) {
    return `at ${host.address} is node ${host.name} (${host.nodeId}), not ${hello.to}`;
  }
  if (nodeId === host.nodeId) {
    return `node ${name} (${nodeId}) was led to a process with its own identity: is a data directory a copy? ${START_EMPTY}`;
  }
  if (incarnation < seen.incarnation) {
    return `node ${name} (${nodeId}) was started again since: this is start ${incarnation}, and start ${seen.incarnation} was seen. Stop the older process. If its data directory was put back from a copy: ${START_EMPTY}`;
  }
  if (!isProven && incarnation > seen.incarnation) {
    if (seen.isAlive) {
      return `node ${name} (${nodeId}) is connected as start ${seen.incarnation} and speaks: start ${incarnation} is let in once that one is silent. If both run, a data directory is a copy: stop one of them, and ${START_EMPTY}`;
    }
    const most = seen.incarnation < 0 ? FIRST_START_MAX : seen.incarnation + UNSEEN_STARTS_MAX;
    if (incarnation > most) {
      return `node ${name} (${nodeId}) names start ${incarnation}, and at most ${most} is likely: more cannot be believed without TLS or --cluster-secret-file`;
    }
  }
  if (incarnation === seen.incarnation && seen.nonce !== null && seen.nonce !== hello.nonce) {
    return `two processes have the identity of node ${name} (${nodeId}): is a data directory a copy? Stop one of them, and ${START_EMPTY}`;
  }
  return null;
}

/**
 * Whether a later start of the node was seen than that of `hello`, or another process of the same start:
 * its data directory is a copy, or was put back from one.
 */
export function isOutdated({ incarnation, nonce }: PeerHello, seen: Seen): boolean {
  const isOther = seen.nonce !== null && seen.nonce !== nonce;
  return incarnation < seen.incarnation || (incarnation === seen.incarnation && isOther);
}

const START_EMPTY = 'start it with an empty data directory and --join';

function otherCluster(hello: PeerHello, host: Host): string {
  const theirs = epochOf(hello.clusterId);
  const ours = epochOf(host.clusterId);
  if (theirs.origin !== ours.origin) {
    return `node ${host.name} (${host.nodeId}) at ${host.address} is in cluster ${host.clusterId}, not in cluster ${hello.clusterId}: an address in --join, in --etcd or in the list of members leads to another cluster`;
  }
  const old = theirs.epoch < ours.epoch ? hello : host;
  return `cluster ${ours.origin} was recovered with --standalone, and node ${old.name} (${old.nodeId}) has the data of before: ${START_EMPTY}`;
}
