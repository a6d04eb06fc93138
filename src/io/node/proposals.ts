/**
 * The queue between inputs and the log: proposals wait here until the next entry is made of them.
 *
 * Promise: bounded by bytes, so a slow disk is answered with `busy` and not with memory; one entry
 * takes as many proposals as fit, so one sync is shared by all that waited for it.
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
  #waiting: Proposal[] = [];
  #bytes = 0;

  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  /** Takes a proposal in; answers false when the queue is full. */
  add(commands: readonly Command[], settle?: (result: Proposed) => void): boolean {
    const bytes = commands.reduce((sum, command) => sum + estimatedBytes(command), 0);
    if (this.#bytes + bytes > WAITING_BYTES_MAX && !this.isEmpty) return false;
    this.#waiting.push(settle === undefined ? { commands, bytes } : { commands, bytes, settle });
    this.#bytes += bytes;
    return true;
  }

  /** The proposals of the next entry, in their order; none when nothing waits. */
  take(): readonly Proposal[] {
    let bytes = 0;
    let commands = 0;
    let count = 0;
    for (const proposal of this.#waiting) {
      bytes += proposal.bytes;
      commands += proposal.commands.length;
      if (count > 0 && (bytes > ENTRY_BYTES || commands > LIMITS.commandsPerBatch)) break;
      this.#bytes -= proposal.bytes;
      count++;
    }
    return this.#waiting.splice(0, count);
  }
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
        18 * (command.firing.length + command.resolved.length) + 64 * command.muted.length + 512
      );
    default:
      return 512;
  }
}

function textBytes(texts: readonly string[]): number {
  return texts.reduce((sum, text) => sum + text.length + 3, 0);
}
