/** Which chunks are in use, and by how many snapshots. Knows no database. */

interface Use {
  readonly hash: string;
  count: number;
}

export class ChunkReferences {
  readonly #uses = new Map<string, Use>();
  /** Uses by the index of the snapshot; the same object for the same chunk, to save memory. */
  readonly #users = new Map<number, readonly Use[]>();

  /** Indexes of the snapshots, the newest first. */
  indexes(): readonly number[] {
    return [...this.#users.keys()].sort((a, b) => b - a);
  }

  has(hash: string): boolean {
    return this.#uses.has(hash);
  }

  /** Notes what a snapshot uses, in place of what was noted for its index before. */
  set(index: number, hashes: Iterable<string>): void {
    const uses = [...new Set(hashes)].map((hash) => this.#use(hash));
    for (const use of uses) use.count++;
    this.remove(index);
    this.#users.set(index, uses);
  }

  /** Forgets a snapshot, and gives back the chunks that nobody uses any more. */
  remove(index: number): readonly string[] {
    const freed: string[] = [];
    for (const use of this.#users.get(index) ?? []) {
      use.count--;
      if (use.count > 0) continue;
      this.#uses.delete(use.hash);
      freed.push(use.hash);
    }
    this.#users.delete(index);
    return freed;
  }

  #use(hash: string): Use {
    const known = this.#uses.get(hash);
    if (known !== undefined) return known;
    const use = { hash, count: 0 };
    this.#uses.set(hash, use);
    return use;
  }
}
