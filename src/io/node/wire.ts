/**
 * The frames that members of a cluster exchange, as bytes.
 *
 * Promise: every frame names its cluster, its sender and the sender's incarnation, and its receiver;
 * whatever does not fit is refused as a whole, with the place and the reason. Each kind has a number
 * that never changes. Uses no socket: a transport moves the bytes.
 */

import { actorField } from '../../commands/actor.ts';
import {
  list,
  flag,
  MalformedCommand,
  offset,
  oneOf,
  optional,
  record,
  text,
  time,
  whole,
  type Schema,
  type TypeOf,
  type Wire,
} from '../../commands/schema.ts';
import { LIMITS } from '../../commands/limits.ts';
import { decodeCanonical, encodeWire } from '../../log/codec.ts';
import { ENTRY_BYTES_MAX } from '../../log/entry.ts';
import { INCARNATION_LIMIT } from '../../log/epoch.ts';
import { decodeConfState, encodeConfState } from '../../raft/confchange.ts';
import { INDEX_LIMIT, TERM_LIMIT } from '../../raft/guard.ts';
import type { ConfState, Message } from '../../raft/types.ts';
import type { Candidate, MembershipChange } from '../ports.ts';

/** The version of these frames. The transport agrees on it before the first one. */
export const WIRE_VERSION = 1;

/**
 * Which kinds of frames this build reads: each level has those of all levels below. Level 1 has the kinds
 * up to `time`; level 2 adds the others.
 */
export const FRAMES_LEVEL = 2;

const number = whole(0, Number.MAX_SAFE_INTEGER);
/** Of an entry. */
const place = whole(0, INDEX_LIMIT - 1);
const incarnation = whole(0, INCARNATION_LIMIT - 1);
/**
 * Log time that a member may name: half of what entries can carry, so that whoever believes a wrong one can
 * still count on from there. In milliseconds of the epoch, it is the year 6429.
 */
export const LOG_TIME_LIMIT = 0x8000_0000_0000;
const logTime = whole(0, LOG_TIME_LIMIT - 1);
const heldTerm = whole(0, TERM_LIMIT - 1);
const id = text(64);

const hexHash: Schema<string> = {
  encode: (value) => value,
  decode: (wire, where) => {
    const hash = text(64).decode(wire, where);
    if (/^[0-9a-f]{64}$/.test(hash)) return hash;
    throw new MalformedCommand(where, 'is not a hash of 64 hexadecimal digits');
  },
};

function bytes(sizeMax: number): Schema<Uint8Array> {
  const check = (value: unknown, where: string): Uint8Array => {
    if (!(value instanceof Uint8Array)) throw new MalformedCommand(where, 'is not bytes');
    if (value.length > sizeMax) {
      throw new MalformedCommand(where, `has ${value.length} bytes, at most ${sizeMax} fit`);
    }
    return value;
  };
  return { encode: check, decode: check };
}

const confState: Schema<ConfState> = {
  encode: (value) => encodeConfState(value),
  decode: (wire, where) => {
    try {
      return decodeConfState(bytes(1024 * 1024).decode(wire, where));
    } catch (error) {
      throw new MalformedCommand(where, (error as Error).message);
    }
  },
};

const entry = record({
  term: number,
  index: place,
  type: oneOf(['command', 'noop', 'config']),
  data: bytes(ENTRY_BYTES_MAX),
});

const stand = { lastIndex: place, lastTerm: number };

/** What each message of consensus carries beside sender, receiver and term. */
const MESSAGES = {
  preVote: record(stand),
  preVoteReply: record({ granted: flag }),
  vote: record({ ...stand, transfer: flag }),
  voteReply: record({ granted: flag }),
  append: record({
    prevIndex: place,
    prevTerm: number,
    entries: list(entry, 1_000_000),
    commit: place,
  }),
  appendReply: record({
    ok: flag,
    index: place,
    hintIndex: place,
    hintTerm: number,
    lost: flag,
  }),
  heartbeat: record({ commit: place, round: number }),
  heartbeatReply: record({ round: number }),
  snapshot: record({
    snapshot: record({
      index: place,
      term: number,
      config: record({ index: place, confState }),
    }),
  }),
  timeoutNow: record({}),
  readIndex: record({ readId: number }),
  readIndexReply: record({ readId: number, index: place, lastIndex: place }),
} satisfies { readonly [K in Message['type']]: Schema<unknown> };

const MESSAGE_TYPES = Object.keys(MESSAGES) as readonly Message['type'][];
const messageType = oneOf(MESSAGE_TYPES);

interface Passage {
  readonly from: string;
  readonly to: string;
}

/** A message of consensus; `from` and `to` are those of its frame. */
function messageSchema({ from, to }: Passage): Schema<Message> {
  return {
    encode: (message, where) => [
      message.type,
      message.term,
      (MESSAGES[message.type] as Schema<unknown>).encode(message, where),
    ],
    decode: (wire, where) => {
      const [type, term, fields] = Array.isArray(wire) ? (wire as readonly unknown[]) : [];
      const known = messageType.decode(type, where);
      const body = MESSAGES[known].decode(fields, where) as object;
      return { type: known, from, to, term: number.decode(term, where), ...body } as Message;
    },
  };
}

/**
 * A record whose last field came later than the others: one without a value is left out, so that the
 * build before reads it.
 */
function withLaterField<T>(fieldCount: number, all: Schema<T>): Schema<T> {
  return {
    encode: (value, where) => {
      const fields = all.encode(value, where) as readonly Wire[];
      return fields.at(-1) === null ? fields.slice(0, -1) : fields;
    },
    decode: (wire, where) => {
      const isBefore = Array.isArray(wire) && wire.length === fieldCount - 1;
      return all.decode(isBefore ? [...(wire as readonly unknown[]), null] : wire, where);
    },
  };
}

const candidate = record({
  nodeId: id,
  name: text(256),
  peerAddress: text(512),
  httpAddress: text(512),
});

/** What a member asks of the leader that is not a command: changes of the membership. */
const REQUESTS = {
  join: candidate,
  remove: withLaterField(2, record({ node: id, actor: actorField })),
  /** Without a node the leader chooses. */
  transfer: withLaterField(2, record({ node: optional(id), actor: actorField })),
} satisfies Readonly<Record<string, Schema<unknown>>>;

export type MembershipRequest = MembershipChange | ({ readonly op: 'join' } & Candidate);

const requestOp = oneOf(['join', 'remove', 'transfer']);

const membershipRequest: Schema<MembershipRequest> = {
  encode: (value, where) => [
    value.op,
    (REQUESTS[value.op] as Schema<unknown>).encode(value, where),
  ],
  decode: (wire, where) => {
    const [op, fields] = Array.isArray(wire) ? (wire as readonly unknown[]) : [];
    const known = requestOp.decode(op, where);
    return { op: known, ...(REQUESTS[known].decode(fields, where) as object) } as MembershipRequest;
  },
};

/** More receivers than a transfer of leadership depends on; each of them is connected to. */
export const PROBES_MAX = 16;
const integrations = list(text(LIMITS.integrationKey), PROBES_MAX);

/** `retry`: not now or not here. `refused`: never like this. `unknown`: it may have happened. */
const answerCode = oneOf(['ok', 'retry', 'refused', 'unknown']);

/**
 * Every kind of frame but `raft`. Numbers are forever.
 *
 * `forward` carries commands to the leader, under the number of their request; `forwarded` is what
 * became of them. `ask` and `answer` do the same for the membership. `offer` to `have` move a
 * snapshot: the receiver asks for the chunks that it lacks. `root` compares states. `time` is what a leader
 * says of log time, to members that fold by version 2 or later: earlier builds do not know it.
 *
 * `held` says how far the sender's disk reaches; `recall` asks for what the receiver knows of that from
 * before the present start of the sender, and `recalled` answers. They go to members whose hello names
 * {@link FRAMES_LEVEL} or more. So do `fitnessRequest`, which asks whether somebody else would lead better, and
 * `fitnessReport`, which answers it, or is sent unasked.
 */
const FRAMES = {
  forward: [2, record({ sequence: number, settledBelow: number, batch: bytes(ENTRY_BYTES_MAX) })],
  forwarded: [
    3,
    record({
      /** The incarnation of the member that asked: each start counts its requests from one. */
      life: incarnation,
      sequence: number,
      result: oneOf(['ok', 'not-leader', 'busy', 'malformed', 'indeterminate']),
      index: place,
      at: time,
      message: text(4_096),
    }),
  ],
  ask: [4, record({ ref: number, request: membershipRequest })],
  answer: [5, record({ ref: number, code: answerCode, message: text(4_096) })],
  offer: [6, record({ manifest: bytes(ENTRY_BYTES_MAX) })],
  want: [7, record({ index: place, hashes: list(hexHash, 4_096), missing: number, total: number })],
  chunks: [
    8,
    record({
      index: place,
      chunks: list(record({ hash: hexHash, bytes: bytes(ENTRY_BYTES_MAX) }), 4_096),
    }),
  ],
  have: [9, record({ index: place })],
  gone: [10, record({ index: place })],
  root: [11, record({ index: place, root: hexHash })],
  time: [12, record({ at: logTime, offsetMs: offset })],
  held: [13, record({ term: heldTerm, index: place })],
  recall: [14, record({})],
  recalled: [15, record({ life: incarnation, term: heldTerm, index: place })],
  fitnessRequest: [16, record({ round: number, integrations })],
  fitnessReport: [
    17,
    record({
      /** Of the question that this answers; 0 when nobody asked. */
      round: number,
      syncMs: optional(number),
      lagMs: number,
      descriptorsFree: optional(number),
      unreachable: integrations,
      /** The last transfer of leadership because of fitness: in which term, and how long ago. */
      lastTransfer: optional(record({ term: number, tries: number, agoMs: number })),
    }),
  ],
} as const satisfies Readonly<Record<string, readonly [number, Schema<unknown>]>>;

type FrameKind = keyof typeof FRAMES;

const RAFT = 1;
const MESSAGES_MAX = 1_024;

/** The number of the kind of a frame that {@link encodeFrame} has made. */
export function numberIn(frame: Uint8Array): unknown {
  return (decodeCanonical(frame) as readonly unknown[])[6];
}

type PlainFrame = {
  readonly [K in FrameKind]: { readonly kind: K } & TypeOf<(typeof FRAMES)[K][1]>;
}[FrameKind];

export type Frame = { readonly kind: 'raft'; readonly messages: readonly Message[] } | PlainFrame;

const kindByNumber = new Map<unknown, FrameKind>(
  (Object.keys(FRAMES) as FrameKind[]).map((kind) => [FRAMES[kind][0], kind]),
);

/** The sender: its cluster, its id and its incarnation. */
export interface Sender {
  readonly clusterId: string;
  readonly nodeId: string;
  readonly incarnation: number;
}

/** A frame with the fields that every frame has. */
export interface Received {
  readonly sender: Sender;
  /** The sender's wall clock when it sent. */
  readonly sentAt: number;
  readonly frame: Frame;
}

/** Throws {@link MalformedCommand} on a frame that no receiver would take. */
export function encodeFrame(sender: Sender, to: string, sentAt: number, frame: Frame): Uint8Array {
  const { clusterId, nodeId } = sender;
  const passage = { from: nodeId, to };
  const [kind, body] =
    frame.kind === 'raft'
      ? [RAFT, list(messageSchema(passage), MESSAGES_MAX).encode(frame.messages, 'raft')]
      : [
          FRAMES[frame.kind][0],
          (FRAMES[frame.kind][1] as Schema<unknown>).encode(frame, frame.kind),
        ];
  return encodeWire([WIRE_VERSION, clusterId, nodeId, sender.incarnation, to, sentAt, kind, body]);
}

/** Reads a frame for the node `self` of its cluster. Throws {@link MalformedCommand}. */
export function decodeFrame(
  self: { readonly clusterId: string; readonly nodeId: string },
  data: Uint8Array,
): Received {
  const wire = decodeCanonical(data);
  if (!Array.isArray(wire) || wire.length !== 8) {
    throw new MalformedCommand('frame', 'is not a list of 8 fields');
  }
  const [version, cluster, from, life, to, sentAt, kind, body] = wire as readonly unknown[];
  if (version !== WIRE_VERSION) throw new MalformedCommand('frame', 'has another version');
  const clusterId = id.decode(cluster, 'frame.cluster');
  if (clusterId !== self.clusterId) {
    throw new MalformedCommand('frame', `is of cluster ${clusterId}, not ${self.clusterId}`);
  }
  if (to !== self.nodeId) throw new MalformedCommand('frame', 'is for another node');
  const nodeId = id.decode(from, 'frame.from');
  const sender = { clusterId, nodeId, incarnation: incarnation.decode(life, 'frame.life') };
  const passage = { from: nodeId, to: self.nodeId };
  return {
    sender,
    sentAt: time.decode(sentAt, 'frame.sentAt'),
    frame: bodyFrom(kind, body, passage),
  };
}

function bodyFrom(kind: unknown, body: unknown, passage: Passage): Frame {
  if (kind === RAFT) {
    const messages = list(messageSchema(passage), MESSAGES_MAX).decode(body, 'raft');
    return { kind: 'raft', messages };
  }
  const known = kindByNumber.get(kind);
  if (known === undefined) throw new MalformedCommand('frame', 'is of no known kind');
  return { kind: known, ...(FRAMES[known][1].decode(body, known) as object) } as Frame;
}
