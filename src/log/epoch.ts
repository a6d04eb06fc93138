/**
 * Epochs of a cluster: `<id>` becomes `<id>~1` when one member goes on alone, and that `<id>~2`.
 *
 * Promise: pure; the only place with the structure of a cluster id.
 */

/** Incarnations of a node count its starts, so none reaches this. */
export const INCARNATION_LIMIT = 0x1_0000_0000_0000;

export interface Epoch {
  /** What all epochs of a cluster have in common. */
  readonly origin: string;
  /** From 0. */
  readonly epoch: number;
}

export function epochOf(clusterId: string): Epoch {
  const [, origin = clusterId, epoch = '0'] = /^(.*)~(\d+)$/.exec(clusterId) ?? [];
  return { origin, epoch: Number(epoch) };
}

/** The id under which a cluster goes on after a recovery. */
export function nextEpoch(clusterId: string): string {
  const { epoch, origin } = epochOf(clusterId);
  return `${origin}~${epoch + 1}`;
}

/** Whether a cluster has the history of `old` before its own. */
export function isLaterEpoch(clusterId: string, old: string): boolean {
  const [after, before] = [epochOf(clusterId), epochOf(old)];
  return after.origin === before.origin && after.epoch > before.epoch;
}
