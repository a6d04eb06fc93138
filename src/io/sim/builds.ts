/**
 * The builds that a simulated cluster is upgraded through, and which of them may run side by side.
 *
 * The first is what there was. The second has new rules of the fold and does not want them yet, except
 * in a cluster that it founds; the third wants them. They are told apart by their place in the list. The
 * first knows nothing of fitness: it is sent no such frame, and hands leadership over to nobody by itself.
 *
 * Promise: what is allowed here is all that people are told they may do. Neighbours run side by side,
 * in whatever order members are upgraded; there is a way back by one build, as long as nobody ever ran
 * the one after the next, and never to a build before the one that founded the cluster.
 */

import { FRAMES_KNOWN } from '../node/wire.ts';
import type { Build } from '../../projections/reducers.ts';

interface SimulatedBuild extends Build {
  /** Of the program, for people. */
  readonly version: string;
  /** What its hello says of the frames that it reads: nothing, or those of this build. */
  readonly framesKnown: number;
}

const FIRST: SimulatedBuild = {
  version: 'simulated',
  reducersMax: 1,
  reducersWanted: 1,
  framesKnown: 0,
};

const BUILDS: readonly SimulatedBuild[] = [
  FIRST,
  { version: 'simulated-2', reducersMax: 2, reducersWanted: 1, framesKnown: FRAMES_KNOWN },
  { version: 'simulated-3', reducersMax: 2, reducersWanted: 2, framesKnown: FRAMES_KNOWN },
];

export const NEWEST_BUILD = BUILDS.length - 1;

export function buildAt(place: number): SimulatedBuild {
  return BUILDS[place] ?? FIRST;
}

export interface Neighbourhood {
  /** What the other members run, or will run when they are started again. */
  readonly others: readonly number[];
  /** The newest build that any member ever ran. */
  readonly newestEver: number;
  /** The build that founded the cluster: by its rules the log begins. */
  readonly founder: number;
}

export function mayRun(place: number, { founder, newestEver, others }: Neighbourhood): boolean {
  if (place < founder || place > NEWEST_BUILD || place < newestEver - 1) return false;
  return others.every((other) => Math.abs(other - place) <= 1);
}
