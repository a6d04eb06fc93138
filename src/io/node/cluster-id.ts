/**
 * Shadows: nodes that decide everything and notify nobody. A cluster has only shadows or none.
 *
 * Promise: the id of a cluster shows which of the two it is. It is chosen once, stands in every
 * segment of the log and in every message between members, and the id of a later epoch begins with
 * it; so no leader of a cluster that must notify people can be a shadow, whatever flags a node is
 * started with, and whatever version the others are.
 */

const MARK = 'shadow-';

/** The id of a new cluster, made of a fresh UUID. */
export function newClusterId(isShadow: boolean, uuid: string): string {
  return isShadow ? MARK + uuid : uuid;
}

export function isShadowCluster(clusterId: string): boolean {
  return clusterId.startsWith(MARK);
}

/**
 * What a node without data sends with its join request instead of the id of its cluster. A member that knows of
 * no shadows takes the mark for the id of some other cluster, and refuses it as well.
 */
export function emptyClusterId(isShadow: boolean): string {
  return isShadow ? MARK : '';
}

/** Why a node whose join request names the cluster `theirs` may not join, or null. */
export function joinProblem(name: string, theirs: string, clusterId: string): string | null {
  if (theirs === clusterId || theirs === emptyClusterId(isShadowCluster(clusterId))) return null;
  if (theirs === emptyClusterId(true)) {
    return (
      `node ${name} is a shadow, and cluster ${clusterId} is none: a shadow that led it would notify ` +
      'nobody. Start the first shadow without --join, and have the others join that one.'
    );
  }
  if (theirs === emptyClusterId(false)) {
    return (
      `node ${name} is no shadow, and cluster ${clusterId} is one: it would notify nobody. Start the ` +
      'node with --shadow, or name members of another cluster.'
    );
  }
  return (
    `node ${name} has data of cluster ${theirs}, and this is cluster ${clusterId}. ` +
    'To make it a member here, start it with an empty data directory and --join.'
  );
}
