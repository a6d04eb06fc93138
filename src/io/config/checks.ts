/**
 * `checks`: rules over series of readings, the part of the file that Alertmanager does not have.
 *
 * Promise: a check that could never fire, never recover, or would be confused with another one
 * is refused with the reason.
 */

import type { z } from 'zod';
import type { Check, Condition } from '../../commands/config.ts';
import { annotationsFrom, labelsFrom } from '../../commands/labels.ts';
import { LIMITS } from '../../commands/limits.ts';
import { withPlainDots } from '../../commands/series-path.ts';
import { parseGlob } from '../../projections/glob.ts';
import { parseDuration, YEAR_MS } from './durations.ts';
import { fields, leaf, list, listOr, maybe, name, number, text } from './fields.ts';
import { bad, good } from './parsed.ts';
import type { LabelFields } from './label-fields.ts';
import type { Path } from './problems.ts';
import type { Reader } from './reader.ts';

const KINDS = ['above', 'below', 'outside', 'missing'] as const;

/** Labels that a check sets itself. */
const OWN_LABELS: Readonly<Record<string, string>> = {
  alertname: 'it is the name of the check',
  series: 'it is the name of the series that is in breach',
};

const series = leaf((written) => {
  // A pattern is spelled as the names are that it shall match.
  const value = withPlainDots(written);
  if (value.length > LIMITS.seriesName) return bad(`has over ${LIMITS.seriesName} characters`);
  const parsed = parseGlob(value);
  if (parsed.ok) return good(value);
  const at = parsed.position + 1;
  const hint = "write for example 'servers.*.cpu.{user,system}' or 'cpu.user;host=web-*'";
  return bad(`"${value}" is not a series pattern: ${parsed.message}, at character ${at}`, hint);
});

const holdFor = leaf((value) => {
  const parsed = parseDuration(value);
  if (!parsed.ok || parsed.value <= YEAR_MS) return parsed;
  return bad(`"${value}" is over a year`, 'an alert would never fire: use a shorter time');
});

const bounds = list(number);

function checkFields(labels: LabelFields) {
  return fields({
    name: name(LIMITS.labelValue),
    series,
    above: maybe(number),
    below: maybe(number),
    outside: maybe(bounds),
    missing: maybe(holdFor),
    recover: maybe(listOr(bounds, number)),
    for: maybe(holdFor),
    severity: maybe(text(LIMITS.labelValue)),
    labels: maybe(labels.labels),
    annotations: maybe(labels.labels),
  });
}

type Given = z.infer<ReturnType<typeof checkFields>>;

export function readChecks(reader: Reader): readonly Check[] {
  const schema = checkFields(reader.labels);
  const placeByLabels = new Map<string, Path>();
  return reader.items(reader.sections['checks'], ['checks']).flatMap(([value, path]) => {
    const given = reader.read(schema, value, path);
    if (given === undefined) return [];
    const condition = readCondition(reader, given, path);
    checkOwnLabels(reader, given, path);
    if (condition === undefined) return [];
    const check = checkOf(given, condition);
    const key = JSON.stringify(check.labels);
    const other = placeByLabels.get(key);
    if (other !== undefined) {
      const message = `has the same labels as the check on line ${reader.placeOf(other).line}: their alerts would be one`;
      reader.problem([...path, 'name'], message, 'give one another name, severity or label');
    }
    placeByLabels.set(key, [...path, 'name']);
    return [check];
  });
}

function checkOf(given: Given, condition: Condition): Check {
  const severity = given.severity === undefined ? [] : [['severity', given.severity] as const];
  return {
    name: given.name,
    series: given.series,
    condition,
    forMs: given.for ?? 0,
    labels: labelsFrom([...(given.labels ?? []), ...severity, ['alertname', given.name]]),
    annotations: annotationsFrom(given.annotations ?? []),
  };
}

/** The condition, or undefined after its problems have been noted. */
function readCondition(reader: Reader, given: Given, path: Path): Condition | undefined {
  const kinds = KINDS.filter((kind) => given[kind] !== undefined);
  const [kind, second] = kinds;
  if (kind === undefined) {
    const hint = 'add one of above: 90, below: 10, outside: [10, 90] or missing: 10m';
    reader.problem(path, 'has no condition', hint);
    return undefined;
  }
  if (second !== undefined) {
    const hint = 'make two checks: a check has one condition';
    reader.problem([...path, second], `cannot stand beside ${kind}`, hint);
    return undefined;
  }
  if (kind === 'missing') return missingCondition(reader, given, path);
  if (kind === 'outside') return outsideCondition(reader, given, path);
  return sidedCondition(reader, kind, given, path);
}

const NO_BOUNDS = { low: 0, high: 0, recoverLow: 0, recoverHigh: 0, missingMs: 0 };

function missingCondition(reader: Reader, given: Given, path: Path): Condition | undefined {
  const missingMs = given.missing ?? 0;
  if (missingMs === 0) {
    const hint = 'give the time without a reading after which to alert, for example 10m';
    reader.problem([...path, 'missing'], 'cannot be zero', hint);
    return undefined;
  }
  if (given.recover !== undefined) {
    const hint = 'the next reading ends it: remove the line';
    reader.problem([...path, 'recover'], 'has no meaning for missing', hint);
    return undefined;
  }
  return { ...NO_BOUNDS, kind: 'missing', missingMs };
}

function sidedCondition(
  reader: Reader,
  kind: 'above' | 'below',
  given: Given,
  path: Path,
): Condition | undefined {
  const bound = given[kind] ?? 0;
  const recover = given.recover ?? bound;
  const at = [...path, 'recover'];
  if (typeof recover !== 'number') {
    reader.problem(at, `must be a single number for ${kind}`, `write for example ${bound}`);
    return undefined;
  }
  if (kind === 'above' ? recover > bound : recover < bound) {
    const side = kind === 'above' ? 'at most' : 'at least';
    reader.problem(at, `${recover} is in breach itself`, `recover must be ${side} ${bound}`);
    return undefined;
  }
  return kind === 'above'
    ? { ...NO_BOUNDS, kind, high: bound, recoverHigh: recover }
    : { ...NO_BOUNDS, kind, low: bound, recoverLow: recover };
}

function outsideCondition(reader: Reader, given: Given, path: Path): Condition | undefined {
  const [low = 0, high = 0] = given.outside ?? [];
  if (given.outside?.length !== 2 || low >= high) {
    const hint = 'the lower bound first: outside: [10, 90]';
    reader.problem([...path, 'outside'], 'must be two different numbers', hint);
    return undefined;
  }
  const recover = given.recover ?? [low, high];
  const at = [...path, 'recover'];
  if (typeof recover === 'number' || recover.length !== 2) {
    reader.problem(at, 'must be two numbers for outside', `write for example [${low}, ${high}]`);
    return undefined;
  }
  const [recoverLow = 0, recoverHigh = 0] = recover;
  if (!(low <= recoverLow && recoverLow <= recoverHigh && recoverHigh <= high)) {
    const hint = `both must lie from ${low} to ${high}, the lower one first`;
    reader.problem(at, `[${recoverLow}, ${recoverHigh}] is in breach itself`, hint);
    return undefined;
  }
  return { kind: 'outside', low, high, recoverLow, recoverHigh, missingMs: 0 };
}

function checkOwnLabels(reader: Reader, given: Given, path: Path): void {
  for (const [label] of given.labels ?? []) {
    const why = OWN_LABELS[label];
    const at = [...path, 'labels', label];
    if (why !== undefined) reader.problem(at, `${label} cannot be set: ${why}`, 'remove the line');
    if (label === 'severity' && given.severity !== undefined) {
      reader.problem(at, 'severity is set twice', 'keep "severity:" of the check');
    }
  }
}
