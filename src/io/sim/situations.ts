/** How often a simulated cluster came into each situation: a run that tested nothing is seen. */

export class Situations {
  readonly #counts = new Map<string, number>();

  /** Bound, so that it can be handed around. */
  readonly count = (name: string): void => {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
  };

  /** Names and counts, sorted by name. */
  entries(): readonly (readonly [name: string, count: number])[] {
    return [...this.#counts].toSorted(([a], [b]) => (a < b ? -1 : 1));
  }

  add(others: Situations): void {
    for (const [name, count] of others.entries()) {
      this.#counts.set(name, (this.#counts.get(name) ?? 0) + count);
    }
  }
}
