/**
 * Frames that members of a simulated cluster have really sent, and all that can be made of them: bits
 * flipped, ends cut off or added, fields changed for others that no correct member would send.
 */

import fc from 'fast-check';
import { decodeCanonical, encodeWire } from '../../src/log/codec.ts';
import type { Wire } from '../../src/commands/schema.ts';

/** A frame as a member sent it. */
export interface CapturedFrame {
  readonly to: string;
  readonly bytes: Uint8Array;
}

/** What becomes of a frame; the numbers, from 0 to 1, choose places in it. */
export type Mutation =
  | { readonly kind: 'replayed' }
  | { readonly kind: 'bits'; readonly places: readonly number[] }
  | { readonly kind: 'cut' | 'longer'; readonly share: number }
  | { readonly kind: 'field'; readonly place: number; readonly value: unknown }
  /** Fields of what is inside, each of which gets a value of its own type. */
  | { readonly kind: 'forged'; readonly changes: readonly Forgery[] };

interface Forgery {
  readonly place: number;
  readonly number: number;
  readonly isRelative: boolean;
  readonly text: string;
}

const share = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

/** Values that a field may have to hold: around every limit, and of every other type. */
const value = fc.oneof(
  fc.nat(300),
  fc.constantFrom(
    -1,
    0.5,
    NaN,
    Infinity,
    2 ** 31,
    2 ** 48 - 1,
    2 ** 48,
    2 ** 53 - 1,
    2 ** 53,
    null,
    true,
    '',
    'x'.repeat(5_000),
    '\ud800',
    [],
    [[[]]],
    {},
  ),
  fc.uint8Array({ maxLength: 40 }),
  fc.string({ maxLength: 20 }),
);

/** Names of nodes, and what fields with a choice of words may hold. */
const WORDS = (
  'n1 n2 n3 n9 ok retry indeterminate join remove transfer append appendReply heartbeat heartbeatReply ' +
  'snapshot vote voteReply preVote preVoteReply timeoutNow readIndex readIndexReply noop config'
).split(' ');

const forgery = fc.record({
  place: share,
  number: fc.oneof(
    fc.integer({ min: -3, max: 3 }),
    fc.constantFrom(0, 1, 1_000, 2 ** 32, 2 ** 47, 2 ** 48 - 1, 2 ** 48, 2 ** 53 - 1),
  ),
  isRelative: fc.boolean(),
  text: fc.constantFrom(...WORDS),
});

export const mutation: fc.Arbitrary<Mutation> = fc.oneof(
  fc.constant({ kind: 'replayed' as const }),
  fc.record({
    kind: fc.constant('bits' as const),
    places: fc.array(share, { minLength: 1, maxLength: 4 }),
  }),
  fc.record({ kind: fc.constantFrom('cut' as const, 'longer' as const), share }),
  fc.record({ kind: fc.constant('field' as const), place: share, value }),
  // Most that can go wrong lies behind a frame that is well formed.
  {
    arbitrary: fc.record({
      kind: fc.constant('forged' as const),
      changes: fc.array(forgery, { minLength: 1, maxLength: 3 }),
    }),
    weight: 8,
  },
);

export function mutated(frame: Uint8Array, change: Mutation): Uint8Array {
  switch (change.kind) {
    case 'replayed':
      return frame.slice();
    case 'bits': {
      const bytes = frame.slice();
      for (const place of change.places) {
        const bit = Math.floor(place * bytes.length * 8);
        bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      }
      return bytes;
    }
    case 'cut':
      return frame.slice(0, Math.floor(change.share * frame.length));
    case 'longer':
      return Uint8Array.from([...frame, ...frame.subarray(0, 1 + change.share * 50)]);
    case 'field':
      return withField(frame, change.place, change.value);
    case 'forged':
      return forged(frame, change.changes);
  }
}

/** The frame as if these had sent it, in that start, to that node. */
export function readdressed(
  frame: Uint8Array,
  from: readonly [nodeId: string, incarnation: number],
  to: string,
): Uint8Array {
  const [version, clusterId, , , , ...rest] = decodeCanonical(frame) as Wire[];
  return encodeWire([version, clusterId, ...from, to, ...rest] as Wire);
}

const BODY_AT = 7;

function forged(frame: Uint8Array, changes: readonly Forgery[]): Uint8Array {
  const wire = decodeCanonical(frame) as unknown[];
  for (const { place, number, isRelative, text } of changes) {
    const slots = slotsIn(wire[BODY_AT]).filter(({ at, list }) => !Array.isArray(list[at]));
    const slot = slots[Math.floor(place * slots.length)];
    if (slot === undefined) continue;
    const before = slot.list[slot.at];
    if (typeof before === 'number') slot.list[slot.at] = isRelative ? before + number : number;
    else if (typeof before === 'boolean') slot.list[slot.at] = !before;
    else if (typeof before === 'string') slot.list[slot.at] = text;
    else if (before instanceof Uint8Array) slot.list[slot.at] = mutated(before, bitAt(place));
  }
  return encodeWire(wire as Wire);
}

function bitAt(place: number): Mutation {
  return { kind: 'bits', places: [(place * 7_919) % 1] };
}

/** One leaf of what is in the frame, or one list in it, has another value. */
function withField(frame: Uint8Array, place: number, value: unknown): Uint8Array {
  const wire = decodeCanonical(frame);
  const slots = slotsIn(wire);
  const slot = slots[Math.floor(place * slots.length)];
  if (slot !== undefined) slot.list[slot.at] = value;
  return encodeWire(wire as Wire);
}

interface Slot {
  readonly list: unknown[];
  readonly at: number;
}

function slotsIn(wire: unknown): readonly Slot[] {
  if (!Array.isArray(wire)) return [];
  const list = wire as unknown[];
  return list.flatMap((each, at) => [{ list, at }, ...slotsIn(each)]);
}
