/**
 * The states that the exhaustive search has seen, in a few bytes each, with the way to each of them.
 *
 * Promise: a key that was added is known from then on. Two keys are taken for one only when 64 bits of
 * their hashes are equal.
 */

const SLOTS_FIRST = 1 << 16;
/** Of the slots that may be filled: with more, looking for a free one takes long. */
const FILL_MAX = 0.6;

export class SeenStates {
  /** Two halves of a hash in each slot; zeros where it is free. */
  #slots = new Uint32Array(2 * SLOTS_FIRST);
  #before = new Int32Array(SLOTS_FIRST);
  #by = new Uint32Array(SLOTS_FIRST);
  readonly #words: string[] = [];
  readonly #wordNumbers = new Map<string, number>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /**
   * Adds a state to which the move `by` leads from the one at the place `before`, or -1. Gives back its
   * place, or null when it was seen before.
   */
  add(key: string, before: number, by: string): number | null {
    const [one, two] = hashesOf(key);
    const slot = this.#slotOf(one, two);
    if (this.#slots[slot] === one && this.#slots[slot + 1] === two) return null;
    this.#slots[slot] = one;
    this.#slots[slot + 1] = two;
    const place = this.#size++;
    if (place === this.#before.length) this.#makeRoomForMoves();
    this.#before[place] = before;
    this.#by[place] = this.#numberOf(by);
    if (this.#size > (this.#slots.length / 2) * FILL_MAX) this.#makeRoomForStates();
    return place;
  }

  /** The moves that lead to the state at this place. */
  storyOf(place: number): readonly string[] {
    const story: string[] = [];
    for (let at = place; at >= 0; at = this.#before[at] ?? -1) {
      story.unshift(this.#words[this.#by[at] ?? 0] ?? '');
    }
    return story;
  }

  /** The slot that has this hash, or the free one where it belongs. */
  #slotOf(one: number, two: number): number {
    const slots = this.#slots;
    const last = slots.length - 1;
    let slot = (2 * two) & last & ~1;
    while (slots[slot] !== 0 || slots[slot + 1] !== 0) {
      if (slots[slot] === one && slots[slot + 1] === two) return slot;
      slot = (slot + 2) & last;
    }
    return slot;
  }

  #makeRoomForStates(): void {
    const full = this.#slots;
    this.#slots = new Uint32Array(2 * full.length);
    for (let at = 0; at < full.length; at += 2) {
      const [one = 0, two = 0] = [full[at], full[at + 1]];
      if (one === 0 && two === 0) continue;
      const slot = this.#slotOf(one, two);
      this.#slots[slot] = one;
      this.#slots[slot + 1] = two;
    }
  }

  #makeRoomForMoves(): void {
    const [before, by] = [this.#before, this.#by];
    this.#before = new Int32Array(2 * before.length);
    this.#before.set(before);
    this.#by = new Uint32Array(2 * by.length);
    this.#by.set(by);
  }

  #numberOf(word: string): number {
    const known = this.#wordNumbers.get(word);
    if (known !== undefined) return known;
    this.#wordNumbers.set(word, this.#words.length);
    return this.#words.push(word) - 1;
  }
}

/** Two hashes of 32 bits that have nothing in common, by the mixing steps of MurmurHash3. */
function hashesOf(key: string): readonly [number, number] {
  let one = 0x9747b28c;
  let two = 0x3c6ef372;
  for (let i = 0; i < key.length; i++) {
    const unit = key.charCodeAt(i);
    one = Math.imul(one ^ Math.imul(unit ^ (unit << 16), 0xcc9e2d51), 0x1b873593);
    one = (one << 13) | (one >>> 19);
    two = Math.imul(two ^ Math.imul(unit + 0x7f4a7c15, 0x85ebca6b), 0xc2b2ae35);
    two = ((two << 17) | (two >>> 15)) + one;
  }
  return [finish(one) || 1, finish(two ^ key.length)];
}

function finish(hash: number): number {
  let mixed = hash ^ (hash >>> 16);
  mixed = Math.imul(mixed, 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
