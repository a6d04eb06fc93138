/**
 * The union of all commands, and the one table that says how each kind is stored.
 *
 * Promise: `[tag, version, fields]` read by any later build gives the command of today, because a
 * tag is never reused and every older version has an upcaster. Adding a kind here makes the
 * compiler ask for its reducer.
 */

import { adminSchema, type Admin } from './admin.ts';
import { pushAlertsSchema, type PushAlerts } from './alerts.ts';
import { applyConfigSchema, type ApplyConfig } from './config.ts';
import { flushSchema, type Flush } from './decisions.ts';
import { attemptSchema, outcomeSchema, type Attempt, type Outcome } from './delivery.ts';
import { clockSchema, leadSchema, type Clock, type Lead } from './leadership.ts';
import { LIMITS } from './limits.ts';
import {
  beginRequestSchema,
  forgetMemberSchema,
  setMemberSchema,
  setReducersSchema,
  type BeginRequest,
  type ForgetMember,
  type SetMember,
  type SetReducers,
} from './membership.ts';
import { observeSchema, type Observe } from './observe.ts';
import { MalformedCommand, time, type Schema, type Wire } from './schema.ts';
import {
  expireSilenceSchema,
  setSilenceSchema,
  type ExpireSilence,
  type SetSilence,
} from './silences.ts';

export type Command =
  | Observe
  | PushAlerts
  | ApplyConfig
  | SetSilence
  | ExpireSilence
  | Flush
  | Attempt
  | Outcome
  | Clock
  | Lead
  | SetMember
  | ForgetMember
  | BeginRequest
  | SetReducers
  | Admin;

export type CommandKind = Command['kind'];

/** What one log entry holds: commands that share one time. */
export interface Batch {
  /** Epoch milliseconds, stamped by the leader; never smaller than that of the entry before. */
  readonly at: number;
  readonly commands: readonly Command[];
}

/** Turns the fields of one version into those of the next; pure and mechanical. */
interface Upcaster {
  (fields: unknown, where: string): unknown;
  /** What the field that the next version has behind all others says where it says nothing. */
  readonly absent?: 0 | null;
}

interface Family {
  readonly tag: number;
  readonly version: number;
  readonly schema: Schema<unknown>;
  /** `upcasters[i]` lifts version i + 1 to version i + 2. */
  readonly upcasters: readonly Upcaster[];
}

/** A version with one more field behind those of the version before: what that field was before. */
function appends(absent: 0 | null): Upcaster {
  return Object.assign(
    (fields: unknown, where: string): unknown => {
      if (!Array.isArray(fields)) throw new MalformedCommand(where, 'is not a list of fields');
      return [...(fields as readonly unknown[]), absent];
    },
    { absent },
  );
}

/** A number that was zero before there was one. */
const withZero = appends(0);
/** The actor, who is not known where there is none. */
const withActor = appends(null);

/** Tags are forever: a removed kind keeps its number. */
const FAMILIES: { readonly [K in CommandKind]: Family } = {
  observe: { tag: 1, version: 1, schema: observeSchema, upcasters: [] },
  alerts: { tag: 2, version: 2, schema: pushAlertsSchema, upcasters: [withZero] },
  config: { tag: 3, version: 2, schema: applyConfigSchema, upcasters: [withActor] },
  silence: { tag: 4, version: 3, schema: setSilenceSchema, upcasters: [withZero, withActor] },
  expireSilence: { tag: 5, version: 2, schema: expireSilenceSchema, upcasters: [withActor] },
  flush: { tag: 6, version: 1, schema: flushSchema, upcasters: [] },
  attempt: { tag: 7, version: 1, schema: attemptSchema, upcasters: [] },
  outcome: { tag: 8, version: 1, schema: outcomeSchema, upcasters: [] },
  clock: { tag: 9, version: 1, schema: clockSchema, upcasters: [] },
  lead: { tag: 10, version: 2, schema: leadSchema, upcasters: [withZero] },
  member: { tag: 11, version: 1, schema: setMemberSchema, upcasters: [] },
  forgetMember: { tag: 12, version: 1, schema: forgetMemberSchema, upcasters: [] },
  request: { tag: 13, version: 1, schema: beginRequestSchema, upcasters: [] },
  reducers: { tag: 14, version: 1, schema: setReducersSchema, upcasters: [] },
  admin: { tag: 15, version: 1, schema: adminSchema, upcasters: [] },
};

export const COMMAND_KINDS = Object.keys(FAMILIES) as readonly CommandKind[];

const kindByTag = new Map(COMMAND_KINDS.map((kind) => [FAMILIES[kind].tag, kind]));

/** The version of the batch's own frame, apart from the versions of the commands in it. */
const BATCH_VERSION = 1;

/** The wire form of a batch. Throws {@link MalformedCommand} on what does not fit its schema. */
export function batchToWire(batch: Batch): Wire {
  if (batch.commands.length > LIMITS.commandsPerBatch) {
    throw new MalformedCommand('batch', `has over ${LIMITS.commandsPerBatch} commands`);
  }
  return [
    BATCH_VERSION,
    time.encode(batch.at, 'batch.at'),
    batch.commands.map((command, i) => commandToWire(command, `commands[${i}]`)),
  ];
}

/** Reads what {@link batchToWire} wrote, or an older build wrote. Throws {@link MalformedCommand}. */
export function batchFromWire(wire: unknown): Batch {
  if (!Array.isArray(wire) || wire.length !== 3 || !Array.isArray(wire[2])) {
    throw new MalformedCommand('batch', 'is not a list of version, time and commands');
  }
  if (wire[0] !== BATCH_VERSION) {
    throw new MalformedCommand('batch', `has version ${shown(wire[0])}; this build reads 1`);
  }
  const commands: readonly unknown[] = wire[2];
  if (commands.length > LIMITS.commandsPerBatch) {
    throw new MalformedCommand('batch', `has over ${LIMITS.commandsPerBatch} commands`);
  }
  return {
    at: time.decode(wire[1], 'batch.at'),
    commands: commands.map((each, i) => commandFromWire(each, `commands[${i}]`)),
  };
}

function commandToWire(command: Command, where: string): Wire {
  const { schema, tag, upcasters, version } = FAMILIES[command.kind];
  const fields = schema.encode(command, `${where}.${command.kind}`) as readonly Wire[];
  // What says nothing new is written as before, so that the builds before can read it.
  let said = fields.length;
  let written = version;
  for (const { absent } of upcasters.toReversed()) {
    if (fields[said - 1] !== absent) break;
    said--;
    written--;
  }
  return [tag, written, said === fields.length ? fields : fields.slice(0, said)];
}

function commandFromWire(wire: unknown, where: string): Command {
  if (!Array.isArray(wire) || wire.length !== 3) {
    throw new MalformedCommand(where, 'is not a list of tag, version and fields');
  }
  const kind = kindByTag.get(wire[0] as number);
  if (kind === undefined) {
    throw new MalformedCommand(where, `has tag ${shown(wire[0])}, which this build does not know`);
  }
  const place = `${where}.${kind}`;
  const fields = upcast(FAMILIES[kind], wire[1], wire[2], place);
  return { kind, ...(FAMILIES[kind].schema.decode(fields, place) as object) } as Command;
}

/** A value that should have been a number; what else it is may not even turn into text. */
function shown(value: unknown): string {
  return typeof value === 'number' ? String(value) : `of type ${typeof value}`;
}

function upcast(family: Family, version: unknown, fields: unknown, where: string): unknown {
  if (typeof version !== 'number' || !Number.isInteger(version) || version < 1) {
    throw new MalformedCommand(where, 'has no version');
  }
  if (version > family.version) {
    throw new MalformedCommand(
      where,
      `has version ${version}; this build reads up to ${family.version}: use a newer build`,
    );
  }
  return family.upcasters
    .slice(version - 1)
    .reduce<unknown>((older, lift) => lift(older, where), fields);
}
