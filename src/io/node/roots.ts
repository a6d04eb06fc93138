/**
 * Compares the states of the members: the same index must give the same root on all of them.
 *
 * Promise: a node that differs from most of the members that have sent theirs, or from the leader when it
 * is one root against another, is found out. It takes part in nothing from then on.
 */

/** This node's state is not that of the others: it must not go on, and never lead. */
export class StateDiffers extends Error {
  readonly code = 'state-differs';
}

interface Roots {
  readonly own: string;
  readonly others: Map<string, string>;
}

/** Indexes remembered: members take their snapshots at about the same time. */
const INDEXES_MAX = 16;

export class RootComparison {
  readonly #byIndex = new Map<number, Roots>();
  /** Roots that others sent for indexes that this node has not reached. */
  readonly #early = new Map<number, Map<string, string>>();

  /** This node's own root; answers what is wrong with it, if anything is. */
  own(index: number, root: string, leader: string | null): string | null {
    const others = this.#early.get(index) ?? new Map<string, string>();
    this.#early.delete(index);
    this.#byIndex.set(index, { own: root, others });
    trim(this.#byIndex);
    return this.#judge(index, leader);
  }

  /** The root of another member; answers what is wrong with this node, if anything is. */
  other(node: string, index: number, root: string, leader: string | null): string | null {
    const known = this.#byIndex.get(index);
    if (known === undefined) {
      const early = this.#early.get(index) ?? new Map<string, string>();
      this.#early.set(index, early.set(node, root));
      trim(this.#early);
      return null;
    }
    known.others.set(node, root);
    return this.#judge(index, leader);
  }

  #judge(index: number, leader: string | null): string | null {
    const roots = this.#byIndex.get(index);
    if (roots === undefined) return null;
    const { own, others } = roots;
    const different = [...others].filter(([, root]) => root !== own);
    const [first] = different;
    if (first === undefined) return null;
    const agreeing = others.size - different.length + 1;
    const against = different.filter(([, root]) => root === first[1]).length;
    const leaderDiffers = different.some(([node]) => node === leader);
    if (against < agreeing || (against === agreeing && !leaderDiffers)) return null;
    return (
      `the state of this node at index ${index} has the root ${own}, but ` +
      `${different.map(([node, root]) => `${node} has ${root}`).join(' and ')}. ` +
      'The same log must give the same state. This node stops: keep its data directory for ' +
      'inspection, and let it join again with an empty one.'
    );
  }
}

function trim(map: Map<number, unknown>): void {
  for (const index of map.keys()) {
    if (map.size <= INDEXES_MAX) return;
    map.delete(index);
  }
}
