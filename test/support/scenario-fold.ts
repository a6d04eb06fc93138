/** Folding a desk's log again, and comparing states by the bytes that a snapshot would store. */

import { decodeBatch, decodeCanonical, encodeCanonical } from '../../src/log/codec.ts';
import { INITIAL_STATE } from '../../src/projections/initial.ts';
import { Projection } from '../../src/projections/projection.ts';
import { pagesOf, stateFrom } from '../../src/projections/snapshot-pages.ts';
import type { State } from '../../src/projections/state.ts';

/** Every page of a state by its path, as the hexadecimal text of its canonical bytes. */
export function pageBytes(state: State): ReadonlyMap<string, string> {
  return new Map(
    [...pagesOf(state)].map(({ path, page }) => [
      path,
      Buffer.from(encodeCanonical(page)).toString('hex'),
    ]),
  );
}

/** Folds entries `from` to `to` (exclusive, counted from 0) of a log. */
export function fold(
  log: readonly Uint8Array[],
  from = 0,
  base: State = INITIAL_STATE,
): Projection {
  const projection = new Projection(base);
  log.slice(from).forEach((bytes, i) => projection.apply(from + i + 1, decodeBatch(bytes)));
  return projection;
}

/** A state as it comes back from a snapshot: new objects all through. */
export function reloaded(state: State): State {
  return stateFrom(
    [...pagesOf(state)].map(({ path, page }) => ({
      path,
      page: decodeCanonical(encodeCanonical(page)) as object,
    })),
  );
}
