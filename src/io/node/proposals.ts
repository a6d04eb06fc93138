/**
 * The queue between inputs and the log: proposals wait here until the next entry is made of them.
 *
 * Promise: bounded by bytes, so a slow disk is answered with `busy` and not with memory; one entry
 * takes as many proposals as fit, so one sync is shared by all that waited for it. What the node
 * itself has to propose is never refused and goes first: inputs that crowd the queue must not keep an
 * outcome from being recorded or a page from being decided.
 */

import type { Command } from '../../commands/command.ts';
import type { Observe } from '../../commands/observe.ts';
import { LIMITS } from '../../commands/limits.ts';
import type { OnReadingsLost, Proposed } from '../ports.ts';

export interface Proposal {
  readonly commands: readonly Command[];
  readonly bytes: number;
  /** Monotonic milliseconds when it came. */
  readonly since: number;
  /** Absent for readings that nobody waits for. */
  readonly settle?: (result: Proposed) => void;
  /** For those: who counts what is lost of them. */
  readonly offered?: Offered;
}

export interface Offered {
  readonly readings: Observe;
  readonly lost: OnReadingsLost;
}

/** Answers the proposer with the outcome. Offered readings are reported only when they are lost. */
export function settleProposal({ offered, settle }: Proposal, result: Proposed): void {
  settle?.(result);
  if (offered === undefined || result.ok) return;
  const { code, message: sample } = result;
  offered.lost({ code, count: offered.readings.ids.length, sample });
}

/** Bytes that may wait: about a second of the fastest input. */
const WAITING_BYTES_MAX = 64 * 1024 * 1024;
/** Bytes that one entry is filled with; half of what a batch may hold, as sizes are estimates. */
export const ENTRY_BYTES = LIMITS.batchBytes / 2;

export class ProposalQueue {
  /** Few: outcomes of the sends under way, and one turn of decisions. */
  #own: Proposal[] = [];
  #inputs: Proposal[] = [];
  /** Bytes of inputs. */
  #bytes = 0;

  get isEmpty(): boolean {
    return this.#own.length === 0 && this.#inputs.length === 0;
  }

  /** Takes in what the node itself proposes. */
  addOwn(commands: readonly Command[], since: number, settle: (result: Proposed) => void): void {
    this.#own.push({ commands, bytes: bytesOf(commands), since, settle });
  }

  /** Takes an input in; answers false when the queue is full. */
  add(commands: readonly Command[], since: number, settle?: Proposal['settle']): boolean {
    const proposal = { commands, bytes: bytesOf(commands), since };
    return this.#push(settle === undefined ? proposal : { ...proposal, settle });
  }

  /** Takes in readings that nobody waits for; answers false when the queue is full. */
  addOffered(offered: Offered, since: number): boolean {
    return this.#push(offeredProposal(offered, since));
  }

  /** What the node itself has to propose, as much as fits in one entry. */
  takeOwn(): readonly Proposal[] {
    return this.#own.splice(0, Math.max(1, fitting(this.#own, ENTRY_BYTES)));
  }

  /** Inputs in their order, as many as fit in `bytesMax`; at least one if it is a whole entry. */
  takeInputs(bytesMax: number): readonly Proposal[] {
    const count = fitting(this.#inputs, bytesMax);
    const taken = this.#inputs.splice(0, bytesMax >= ENTRY_BYTES ? Math.max(1, count) : count);
    for (const { bytes } of taken) this.#bytes -= bytes;
    return taken;
  }

  /** Inputs that somebody has waited for since before `since`; they will never be proposed. */
  takeOlderThan(since: number): readonly Proposal[] {
    const [oldest] = this.#inputs;
    if (oldest === undefined || oldest.since >= since) return [];
    const old = this.#inputs.filter((each) => each.settle !== undefined && each.since < since);
    if (old.length === 0) return [];
    this.#inputs = this.#inputs.filter((each) => !old.includes(each));
    for (const { bytes } of old) this.#bytes -= bytes;
    return old;
  }

  /** Everything, for a node that will propose nothing more. */
  takeAll(): readonly Proposal[] {
    const all = [...this.#own, ...this.#inputs];
    this.#own = [];
    this.#inputs = [];
    this.#bytes = 0;
    return all;
  }

  #push(proposal: Proposal): boolean {
    const isFull = this.#bytes + proposal.bytes > WAITING_BYTES_MAX && this.#inputs.length > 0;
    if (isFull) return false;
    this.#inputs.push(proposal);
    this.#bytes += proposal.bytes;
    return true;
  }
}

/** A proposal of readings that nobody waits for. */
export function offeredProposal(offered: Offered, since: number): Proposal {
  const commands = [offered.readings];
  return { commands, bytes: bytesOf(commands), since, offered };
}

/** How many from the front fit. */
function fitting(proposals: readonly Proposal[], bytesMax: number): number {
  let bytes = 0;
  let commands = 0;
  for (const [i, proposal] of proposals.entries()) {
    bytes += proposal.bytes;
    commands += proposal.commands.length;
    if (bytes > bytesMax || commands > COMMANDS_MAX) return i;
  }
  return proposals.length;
}

/** Leaves room in a batch for what the node itself and other members propose. */
const COMMANDS_MAX = LIMITS.commandsPerBatch / 4;

function bytesOf(commands: readonly Command[]): number {
  return commands.reduce((sum, command) => sum + estimatedBytes(command), 0);
}

/** About what a command takes in the log; only has to be right within a factor of two. */
function estimatedBytes(command: Command): number {
  switch (command.kind) {
    case 'observe':
      return (
        command.ids.length * 12 + command.names.reduce((sum, name) => sum + name.length + 3, 64)
      );
    case 'alerts':
      return command.alerts.reduce(
        (sum, { labels, annotations }) => sum + textBytes(labels) + textBytes(annotations) + 64,
        64,
      );
    case 'config':
      return 4 * command.source.length + 4_096;
    case 'flush':
      return (
        18 * (command.firing.length + command.resolved.length) +
        command.muted.reduce((sum, { by }) => sum + 20 + textBytes(by), 0) +
        512
      );
    default:
      return 512;
  }
}

function textBytes(texts: readonly string[]): number {
  return texts.reduce((sum, text) => sum + text.length + 3, 0);
}
