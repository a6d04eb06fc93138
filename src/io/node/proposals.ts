/**
 * The queue between inputs and the log: proposals wait here until the next entry is made of them.
 *
 * Promise: bounded by bytes, so a slow disk is answered with `busy` and not with memory; one entry
 * takes as many proposals as fit, so one sync is shared by all that waited for it. What the node
 * itself has to say is never refused and goes first: inputs that crowd the queue must not keep an
 * outcome from being recorded or a page from being decided.
 */

import type { Command } from '../../commands/command.ts';
import { LIMITS } from '../../commands/limits.ts';
import type { Proposed } from '../ports.ts';

export interface Proposal {
  readonly commands: readonly Command[];
  readonly bytes: number;
  /** Absent for readings that nobody waits for. */
  readonly settle?: (result: Proposed) => void;
}

/** Bytes that may wait: about a second of the fastest input. */
const WAITING_BYTES_MAX = 64 * 1024 * 1024;
/** Bytes that one entry is filled with; half of what a batch may hold, as sizes are estimates. */
const ENTRY_BYTES = LIMITS.batchBytes / 2;

export class ProposalQueue {
  /** Few: outcomes of the sends under way, and one turn of decisions. */
  readonly #own: Proposal[] = [];
  readonly #inputs: Proposal[] = [];
  /** Bytes of inputs. */
  #bytes = 0;

  get isEmpty(): boolean {
    return this.#own.length === 0 && this.#inputs.length === 0;
  }

  /** Takes in what the node itself proposes. */
  addOwn(commands: readonly Command[], settle: (result: Proposed) => void): void {
    this.#own.push({ commands, bytes: bytesOf(commands), settle });
  }

  /** Takes an input in; answers false when the queue is full. */
  add(commands: readonly Command[], settle?: (result: Proposed) => void): boolean {
    const bytes = bytesOf(commands);
    if (this.#bytes + bytes > WAITING_BYTES_MAX && this.#inputs.length > 0) return false;
    this.#inputs.push(settle === undefined ? { commands, bytes } : { commands, bytes, settle });
    this.#bytes += bytes;
    return true;
  }

  /** The proposals of the next entry, in their order; none when nothing waits. */
  take(): readonly Proposal[] {
    let bytes = 0;
    let commands = 0;
    let count = 0;
    for (const proposal of [...this.#own, ...this.#inputs]) {
      bytes += proposal.bytes;
      commands += proposal.commands.length;
      if (count > 0 && (bytes > ENTRY_BYTES || commands > LIMITS.commandsPerBatch)) break;
      count++;
    }
    const own = this.#own.splice(0, count);
    const inputs = this.#inputs.splice(0, count - own.length);
    for (const input of inputs) this.#bytes -= input.bytes;
    return [...own, ...inputs];
  }
}

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
