/** Which chunks are in use, and by how many snapshots. Knows no database. */

interface Use {
  readonly hash: string;
  count: number;
}

/** A snapshot by its index, or the one that is on its way in. */
export type User = number | 'incoming';

export class ChunkReferences {
  readonly #uses = new Map<string, Use>();
  /** What each user uses; the same object for the same chunk, to save memory. */
  readonly #users = new Map<User, readonly Use[]>();

  /** Indexes of the snapshots, the newest first. */
  indexes(): readonly number[] {
    return [...this.#users.keys()].filter((user) => user !== 'incoming').sort((a, b) => b - a);
  }

  has(hash: string): boolean {
    return this.#uses.has(hash);
  }

  /** Notes what a user uses, and gives back the chunks that only it used before. */
  set(user: User, hashes: Iterable<string>): readonly string[] {
    const uses = [...new Set(hashes)].map((hash) => this.#use(hash));
    for (const use of uses) use.count++;
    const freed = this.remove(user);
    this.#users.set(user, uses);
    return freed;
  }

  /** Removes a user, and returns the chunks that no user is left of. */
  remove(user: User): readonly string[] {
    const freed: string[] = [];
    for (const use of this.#users.get(user) ?? []) {
      use.count--;
      if (use.count > 0) continue;
      this.#uses.delete(use.hash);
      freed.push(use.hash);
    }
    this.#users.delete(user);
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
