/**
 * A small seeded generator for election timeouts: no entropy enters the core any other way, so a
 * run is repeated exactly by its seed.
 */

export interface Random {
  /** Whole number in [0, bound). */
  below(bound: number): number;
}

/** Weyl sequence through a 32-bit finaliser: ample for spreading timeouts, useless for secrets. */
export function createRandom(seed: number): Random {
  let state = Math.trunc(seed) >>> 0;
  const next = (): number => {
    state = (state + 0x9e3779b9) >>> 0;
    let mixed = state;
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
    return (mixed ^ (mixed >>> 16)) >>> 0;
  };
  return { below: (bound) => Math.floor((next() / 0x1_0000_0000) * bound) };
}
