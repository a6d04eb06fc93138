/**
 * Who of the members is fit to lead: figures in, a successor or none out.
 *
 * Promise: pure. A member takes the place of the leader only if it is clearly better in something that
 * keeps the leader from its work, and in nothing worse; so members that are all alike, a receiver that
 * is down for everybody included, transfer nothing, and no sequence of transfers between members whose
 * figures stay as they are comes back to where it began.
 */

import type { Fitness, TransferReason } from '../ports.ts';

/** A leader commits several entries, one after the other, for each notification. */
export const SYNC_MS_MAX = 250;
/** Heartbeats leave every 200 ms; decisions and sends wait for the event loop, too. */
export const LAG_MS_MAX = 250;
/** What a few connections to receivers and the next segment of the log take. */
export const DESCRIPTORS_MIN = 16;
/** What is so many times better is clearly better, and no accident of one measurement. */
const CLEARLY = 4;
/** Of the integrations that the leader cannot reach, one in so many at most may fail a successor, too. */
const CLEARLY_MORE_REACHED = 2;

/** Transfers because of fitness come at most so often, whichever member leads. */
export const TRANSFER_PAUSE_MS = 60_000;
/** A try that moved nothing is repeated sooner: the leader cannot work, and nobody noticed the try. */
export const FAILED_TRANSFER_PAUSE_MS = 15_000;
/** A receiver that starts again refuses some and takes the next: one look at it is not enough. */
const SAME_VERDICTS = 2;

export interface Candidate {
  readonly node: string;
  readonly fitness: Fitness;
}

export interface TransferDecision {
  readonly to: string;
  readonly because: TransferReason;
}

/** What keeps a member from leading well; last what takes a second look, and may follow from the others. */
export function troublesOf(fitness: Fitness): readonly TransferReason[] {
  const { descriptorsFree, lagMs, syncMs, unreachable } = fitness;
  const troubles: TransferReason[] = [];
  if (descriptorsFree !== null && descriptorsFree < DESCRIPTORS_MIN) troubles.push('descriptors');
  if (syncMs !== null && syncMs > SYNC_MS_MAX) troubles.push('disk');
  if (lagMs > LAG_MS_MAX) troubles.push('event loop');
  if (unreachable.length > 0) troubles.push('receivers');
  return troubles;
}

/** Who should lead in the place of a member with the figures `own`, and why; null for nobody. */
export function successor(own: Fitness, others: readonly Candidate[]): TransferDecision | null {
  const reasons = troublesOf(own);
  const fitter = others
    .map(({ node, fitness }) => ({ node, fitness, because: reasonFor(fitness, own, reasons) }))
    .filter(({ because }) => because !== null)
    .toSorted((a, b) => byFitness(a.fitness, b.fitness) || (a.node < b.node ? -1 : 1));
  const [best] = fitter;
  if (best === undefined || best.because === null) return null;
  return { to: best.node, because: best.because };
}

/** In what a member is clearly better, if it is worse in nothing. */
function reasonFor(
  fitness: Fitness,
  own: Fitness,
  reasons: readonly TransferReason[],
): TransferReason | null {
  if (isWorse(fitness, own)) return null;
  return reasons.find((reason) => isClearlyBetter(reason, fitness, own)) ?? null;
}

/** Within what lets a leader work, differences do not matter. */
function isWorse(fitness: Fitness, own: Fitness): boolean {
  const [syncMs, ownSyncMs] = [fitness.syncMs ?? 0, own.syncMs ?? 0];
  const [free, ownFree] = [fitness.descriptorsFree ?? Infinity, own.descriptorsFree ?? Infinity];
  return (
    fitness.unreachable.length > own.unreachable.length ||
    (syncMs > SYNC_MS_MAX && syncMs > ownSyncMs) ||
    (fitness.lagMs > LAG_MS_MAX && fitness.lagMs > own.lagMs) ||
    (free < DESCRIPTORS_MIN && free < ownFree)
  );
}

function isClearlyBetter(reason: TransferReason, fitness: Fitness, own: Fitness): boolean {
  switch (reason) {
    case 'receivers':
      return CLEARLY_MORE_REACHED * fitness.unreachable.length <= own.unreachable.length;
    // A figure that a member does not have counts against it.
    case 'descriptors':
      return (fitness.descriptorsFree ?? 0) >= CLEARLY * DESCRIPTORS_MIN;
    case 'disk':
      return CLEARLY * (fitness.syncMs ?? Infinity) <= (own.syncMs ?? 0);
    case 'event loop':
      return CLEARLY * fitness.lagMs <= own.lagMs;
  }
}

/** The fewest troubles come first, then the quickest disk. */
function byFitness(a: Fitness, b: Fitness): number {
  return (
    a.unreachable.length - b.unreachable.length ||
    troublesOf(a).length - troublesOf(b).length ||
    (a.syncMs ?? SYNC_MS_MAX) - (b.syncMs ?? SYNC_MS_MAX)
  );
}

/** How long ago leadership was transferred, and since when a try that moved nothing is over. */
export interface Pauses {
  /** Since the last transfer because of fitness in the cluster, as far as this member knows; Infinity for none. */
  readonly sinceTransferMs: number;
  /** Since the last try of this leader that moved nothing, in its present term; Infinity for none. */
  readonly sinceFailureMs: number;
}

export function mayTransfer({ sinceTransferMs, sinceFailureMs }: Pauses): boolean {
  return sinceTransferMs >= TRANSFER_PAUSE_MS && sinceFailureMs >= FAILED_TRANSFER_PAUSE_MS;
}

/**
 * Whether it is time to act on a decision, given those of the rounds before it, the newest last. Figures
 * of disks and event loops are medians already; a connection is made or not, so it is tried twice.
 */
export function isSettled(
  decision: TransferDecision,
  before: readonly (TransferDecision | null)[],
): boolean {
  if (decision.because !== 'receivers') return true;
  const last = before.slice(1 - SAME_VERDICTS);
  return (
    last.length === SAME_VERDICTS - 1 && last.every((each) => each?.because === decision.because)
  );
}
