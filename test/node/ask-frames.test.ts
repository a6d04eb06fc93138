/** What a follower asks its leader for people, as bytes, between builds that know actors and that do not. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ACTOR_KINDS } from '../../src/commands/actor.ts';
import { MalformedCommand } from '../../src/commands/schema.ts';
import {
  decodeFrame,
  encodeFrame,
  type Frame,
  type MembershipRequest,
} from '../../src/io/node/wire.ts';
import { decodeCanonical, encodeWire } from '../../src/log/codec.ts';

const SENDER = { clusterId: 'c', nodeId: 'n-1', incarnation: 7 };
const SELF = { clusterId: 'c', nodeId: 'n-2' };

function bytesOf(request: MembershipRequest): Uint8Array {
  return encodeFrame(SENDER, SELF.nodeId, 5, { kind: 'ask', ref: 1, request }).slice();
}

/** The frame of an `ask` as the build before writes it, with these fields of the request. */
function askBefore(...request: readonly (string | readonly (string | null)[])[]): Uint8Array {
  const body = [1, request];
  return encodeWire([1, SENDER.clusterId, SENDER.nodeId, 7, SELF.nodeId, 5, 4, body]).slice();
}

const actor = fc.record({
  kind: fc.constantFrom(...ACTOR_KINDS),
  name: fc.string({ unit: 'grapheme', maxLength: 12 }),
});
const node = fc.stringMatching(/^[0-9A-Za-z-]{1,36}$/);
const requests: fc.Arbitrary<MembershipRequest> = fc.oneof(
  fc.record({
    op: fc.constant('remove' as const),
    node,
    actor: fc.option(actor, { nil: undefined }),
  }),
  fc.record({
    op: fc.constant('transfer' as const),
    node: fc.option(node),
    actor: fc.option(actor, { nil: undefined }),
  }),
);

describe('a request of a follower', () => {
  it('arrives with who asked, or with nobody', () => {
    fc.assert(
      fc.property(requests, (request) => {
        const { frame } = decodeFrame(SELF, bytesOf(request));
        expect(frame).toEqual({ kind: 'ask', ref: 1, request } satisfies Frame);
      }),
    );
  });

  it('is, without an actor, what the build before writes and reads, to the byte', () => {
    expect(bytesOf({ op: 'remove', node: 'n-3' })).toEqual(askBefore('remove', ['n-3']));
    expect(bytesOf({ op: 'transfer', node: null })).toEqual(askBefore('transfer', [null]));
    expect(bytesOf({ op: 'transfer', node: 'n-3' })).toEqual(askBefore('transfer', ['n-3']));
    const { frame } = decodeFrame(SELF, askBefore('transfer', [null]));
    expect(frame).toMatchObject({ request: { op: 'transfer', node: null, actor: undefined } });
  });

  it('is refused with an actor that is none', () => {
    for (const fields of [['n-3', 'ann'], ['n-3', null, null], []]) {
      expect(() => decodeFrame(SELF, askBefore('remove', fields))).toThrow(MalformedCommand);
    }
    expect(decodeCanonical(askBefore('remove', ['n-3']))).toHaveLength(8);
  });
});
