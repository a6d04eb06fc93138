/**
 * The builds that a simulated cluster is upgraded through, and which of them may run side by side.
 *
 * Each but the first has new rules of the fold and does not want them yet, except in a cluster that it
 * founds; it wants those of the build before. The last one has no rules of its own. They are told apart
 * by their place in the list.
 *
 * Promise: what is allowed here is all that people are told they may do. Neighbours run side by side,
 * in whatever order members are upgraded; there is a way back by one build, as long as nobody ever ran
 * the one after the next, and never to a build before the one that founded the cluster.
 */

import type { Command } from '../../commands/command.ts';
import type { Build } from '../../projections/reducers.ts';

interface SimulatedBuild extends Build {
  /** Of the program, for people. */
  readonly version: string;
  /** Which kinds of frames it reads. */
  readonly framesLevel: number;
}

const FIRST: SimulatedBuild = {
  version: 'simulated',
  reducersMax: 1,
  reducersWanted: 1,
  framesLevel: 1,
};

const BUILDS: readonly SimulatedBuild[] = [
  FIRST,
  { version: 'simulated-2', reducersMax: 2, reducersWanted: 1, framesLevel: 1 },
  { version: 'simulated-3', reducersMax: 3, reducersWanted: 2, framesLevel: 2 },
  { version: 'simulated-4', reducersMax: 3, reducersWanted: 3, framesLevel: 2 },
];

export const NEWEST_BUILD = BUILDS.length - 1;

export function buildAt(place: number): SimulatedBuild {
  return BUILDS[place] ?? FIRST;
}

/** Whether a build knows the bytes of a command: all are of one code here, and real ones are not. */
export function canRead(place: number, command: Command): boolean {
  const namesActor =
    command.kind === 'admin' || ('actor' in command && command.actor !== undefined);
  return !namesActor || buildAt(place).reducersMax >= 3;
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
