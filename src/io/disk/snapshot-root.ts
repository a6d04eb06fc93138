/**
 * The root hash of a state, and the memory of hashes that makes it cheap: a page that is the same
 * object as last time is neither encoded nor hashed again.
 *
 * Promise: equal states have equal roots on every node and in every replay, whether folded from
 * the first entry or loaded from a snapshot.
 */

import { encodeCanonical } from '../../log/codec.ts';
import { reducerVersionOf } from '../../projections/reducers.ts';
import { pagesOf } from '../../projections/snapshot-pages.ts';
import type { State } from '../../projections/state.ts';
import { chunkList, rootOfList, sha256Hex, type Chunk } from './snapshot-format.ts';

/** Hashes by page object. Pages never change, so what is known stays true. */
export class PageHashes {
  readonly #known = new WeakMap<object, string>();

  get(page: object): string | undefined {
    return this.#known.get(page);
  }

  set(page: object, hash: string): void {
    this.#known.set(page, hash);
  }
}

/**
 * Hex SHA-256 of a state: equal to `Manifest.root` of a snapshot of it. It is computed in one go;
 * with `hashes` kept between calls it costs what changed.
 */
export function rootOf(
  state: State,
  hashes: PageHashes = new PageHashes(),
  reducerVersion: number = reducerVersionOf(state),
): string {
  const chunks: Chunk[] = [];
  for (const { path, page } of pagesOf(state)) {
    let hash = hashes.get(page);
    if (hash === undefined) {
      hash = sha256Hex(encodeCanonical(page));
      hashes.set(page, hash);
    }
    chunks.push([path, hash]);
  }
  return rootOfList(reducerVersion, chunkList(chunks));
}
