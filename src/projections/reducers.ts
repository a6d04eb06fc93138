/**
 * The version of the fold: by which rules the commands of a log are folded. The log itself says so,
 * which makes all members change their rules at the same command.
 *
 * Promise: a log is never folded by rules that this build does not have. Reducers whose rules depend
 * on the version ask the transaction.
 *
 * Version 2 (docs/adr/0018): time in which nobody listened does not count towards `for` and towards
 * `missing`, and commands may carry how far the clock of their sender differs from log time.
 *
 * Version 3 (docs/adr/0025): what people do is kept with who did it, in the table of audit events;
 * commands may name an actor, and there is the command `admin`.
 */

import type { SetReducers } from '../commands/membership.ts';
import type { State } from './state.ts';
import type { Transaction } from './transaction.ts';

/** The highest version that this build can run. */
export const REDUCERS_MAX: number = 3;

/**
 * The version to which a leader of this build switches, once all members can run it. A build that
 * brings new rules runs them and does not want them yet; the next one wants them. So there is always
 * a way back to the build before. A cluster that this build founds starts at the highest version that it can run:
 * there is no build before that had part in it.
 */
export const REDUCERS_WANTED: number = 2;

/** What a build can run, and what it wants. The simulator runs several builds side by side. */
export interface Build {
  readonly reducersMax: number;
  readonly reducersWanted: number;
}

/** The build that this code is. */
export const THIS_BUILD: Build = { reducersMax: REDUCERS_MAX, reducersWanted: REDUCERS_WANTED };

/** The log goes on by rules that this build does not have. */
export class UnsupportedReducerVersion extends Error {
  readonly code = 'newer-fold';
  readonly version: number;

  constructor(index: number, version: number, { reducersMax }: Build) {
    super(
      `entry ${index} of the log switches to version ${version} of the fold, and this build has ` +
        `version ${reducersMax}: start a newer build of tocsin on this data`,
    );
    this.name = 'NewerFold';
    this.version = version;
  }
}

/** The version by which the next command is folded; the one that a manifest names. */
export function reducerVersionOf(state: State): number {
  return state.reducers.version;
}

/** Folds the switch to another version. It only rises: what was folded stays folded. */
export function setReducers(tx: Transaction, { version }: SetReducers, build: Build): void {
  if (version > build.reducersMax) throw new UnsupportedReducerVersion(tx.index, version, build);
  if (version > tx.reducers.version) tx.reducers = { version };
}

/** Whether every member reads annotations whose value is empty. Those of version 1 refuse them. */
export function readsEmptyAnnotations(state: State): boolean {
  return state.reducers.version >= 2;
}

/** Whether every member reads actors and `admin` commands. Builds of versions 1 and 2 refuse them. */
export function recordsActors(state: Pick<State, 'reducers'>): boolean {
  return state.reducers.version >= 3;
}
