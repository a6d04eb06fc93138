/**
 * Checks at work: which of them watch a series, and whether a value is in breach.
 *
 * Promise: a pure function of the applied configuration and a name. What is remembered is derived
 * from a configuration object, which never changes; forgetting it changes no result (a test folds
 * with and without it). What is remembered per series id belongs to one projection, because two
 * histories that go on from one state give the same id to different names.
 */

import type { Check, Condition } from '../commands/config.ts';
import { labelPairs, labelsFrom, labelsText, type Labels } from '../commands/labels.ts';
import { globMatches, parseGlob, type Glob } from './glob.ts';
import type { AppliedConfig, Facts } from './state.ts';

export interface CompiledCheck {
  /** Stays with the check through reloads. */
  readonly id: number;
  readonly check: Check;
  readonly glob: Glob;
}

export interface Checks {
  readonly all: readonly CompiledCheck[];
  readonly byId: ReadonlyMap<number, CompiledCheck>;
}

/** Checks by series id, filled as series are seen: of one configuration and one projection. */
export type Watchers = (readonly CompiledCheck[] | undefined)[];

/** What makes a check the same one after a reload: the labels of its alerts. */
export function checkKey(check: Check): string {
  return labelsText(check.labels);
}

const NO_CHECKS: Checks = { all: [], byId: new Map() };
const compiled = new WeakMap<AppliedConfig, Checks>();

export function checksOf(config: AppliedConfig | null, facts: Facts): Checks {
  if (config === null) return NO_CHECKS;
  const known = compiled.get(config);
  if (known !== undefined) return known;
  const all = config.command.config.checks.map((check) => compile(check, facts));
  const checks = { all, byId: new Map(all.map((each) => [each.id, each])) };
  compiled.set(config, checks);
  return checks;
}

function compile(check: Check, facts: Facts): CompiledCheck {
  const id = facts.checkIds[checkKey(check)];
  if (id === undefined) throw new Error(`check ${check.name} has no id: the fold gives one first`);
  const parsed = parseGlob(check.series);
  if (!parsed.ok) {
    throw new Error(`check ${check.name}: ${parsed.message}: refused before it gets here`);
  }
  return { id, check, glob: parsed.glob };
}

const NONE: readonly CompiledCheck[] = [];

/** The checks that watch a series. */
export function checksOfSeries(checks: Checks, name: string): readonly CompiledCheck[] {
  const watching = checks.all.filter(({ glob }) => globMatches(glob, name));
  return watching.length === 0 ? NONE : watching;
}

/**
 * Whether a value is in breach, given whether the series was in breach before (hysteresis). A
 * reading always ends a breach of `missing`.
 */
export function inBreach(condition: Condition, value: number, wasInBreach: boolean): boolean {
  const low = wasInBreach ? condition.recoverLow : condition.low;
  const high = wasInBreach ? condition.recoverHigh : condition.high;
  switch (condition.kind) {
    case 'above':
      return value > high;
    case 'below':
      return value < low;
    case 'outside':
      return value < low || value > high;
    case 'missing':
      return false;
  }
}

/** The labels of the alert that a check raises on a series. */
export function alertLabels(check: Check, series: string): Labels {
  return labelsFrom([...labelPairs(check.labels), ['series', series]]);
}

/**
 * How coarse the time of the last reading is kept for a `missing` check, in milliseconds: a tenth
 * of its period, so that a busy series writes its row ten times a period and not every reading.
 */
export function seenStepMs(watching: readonly CompiledCheck[]): number {
  let step = Infinity;
  for (const { check } of watching) {
    if (check.condition.kind !== 'missing') continue;
    step = Math.min(step, Math.max(100, Math.floor(check.condition.missingMs / 10)));
  }
  return step;
}
