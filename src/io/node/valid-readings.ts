/**
 * What can be saved of offered readings that make no sense as a whole.
 *
 * Promise: a reading is left out only for what is wrong with itself; the others keep their order.
 */

import { LIMITS } from '../../commands/limits.ts';
import type { Observe } from '../../commands/observe.ts';

export interface SeparatedReadings {
  /** What is left, in commands that the log takes as far as is visible before they are encoded. */
  readonly sound: readonly Observe[];
  readonly badCount: number;
  /** One of the bad readings, as people may see it. */
  readonly sample: string;
}

/** Separates the readings that the log would refuse. Where none is bad the command is halved. */
export function separateInvalid(readings: Observe): SeparatedReadings {
  const { ids, names, values } = readings;
  const isGoodName = names.map((name) => name.length <= LIMITS.seriesName && name.isWellFormed());
  const good: number[] = [];
  let badCount = 0;
  let sample = '';
  const count = Math.min(ids.length, values.length);
  for (let i = 0; i < count; i++) {
    const id = ids[i] as number;
    if (Number.isFinite(values[i]) && (id >= 0 || isGoodName[-1 - id] === true)) {
      good.push(i);
      continue;
    }
    badCount++;
    if (sample === '') sample = sampleOf(readings, i);
  }
  badCount += ids.length - count;
  if (badCount > 0)
    return { sound: good.length === 0 ? [] : [only(readings, good)], badCount, sample };
  if (count < 2) return { sound: [], badCount: count, sample: sampleOf(readings, 0) };
  // Each makes sense: together they are too many, or too long.
  const middle = count >> 1;
  return {
    sound: [only(readings, good.slice(0, middle)), only(readings, good.slice(middle))],
    badCount,
    sample,
  };
}

/** These readings, with the names that they need. */
function only({ ids, names, source, values }: Observe, places: readonly number[]): Observe {
  const placeOf = new Map<number, number>();
  const newIds = Int32Array.from(places, (i) => {
    const id = ids[i] as number;
    if (id >= 0) return id;
    const place = placeOf.get(id) ?? placeOf.size;
    placeOf.set(id, place);
    return -1 - place;
  });
  return {
    kind: 'observe',
    source,
    names: [...placeOf.keys()].map((id) => names[-1 - id] ?? ''),
    ids: newIds,
    values: Float64Array.from(places, (i) => values[i] as number),
  };
}

function sampleOf({ ids, names, source, values }: Observe, i: number): string {
  const id = ids[i] ?? 0;
  const name = id >= 0 ? `series ${id}` : (names[-1 - id] ?? 'a name that is not there');
  return `${name.toWellFormed()} ${values[i]} from ${source}`;
}
