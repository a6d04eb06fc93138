/**
 * What must hold in a simulated cluster whatever happens, checked as it happens.
 *
 * Promise: the first step that breaks a law throws {@link LawBroken} with the law's name and the facts.
 * It reads what the witness is told and what lies on disks; it never helps the cluster along.
 */

import type { Command } from '../../commands/command.ts';
import { labelValue } from '../../commands/labels.ts';
import type { Digest } from '../../log/disk.ts';
import type { Effect, Entry } from '../../raft/types.ts';
import type { AppliedEntry, Proposed } from '../ports.ts';
import type { Host } from './cluster.ts';
import type { ReceivedNotification } from './receivers.ts';

export class LawBroken extends Error {
  readonly law: string;

  constructor(law: string, facts: string) {
    super(`${law}: ${facts}`);
    this.law = law;
  }
}

/** What one command of a client became. */
interface Acknowledged {
  readonly index: number;
  readonly name: string;
}

/** What was folded at an index, by whoever was first. */
interface Folded {
  readonly term: number;
  readonly digest: string;
  /** It was committed in this term at the latest. */
  readonly committedBy: number;
}

export class Checker {
  readonly #digest: Digest;
  readonly #leaders = new Map<number, string>();
  /** Digest of each entry that any log was given, by term and index. */
  readonly #written = new Map<string, string>();
  readonly #folded = new Map<number, Folded>();
  /** `id/try` of every attempt that is in the folded log. */
  readonly #attempts = new Set<string>();
  /** `id/try` of every attempt whose outcome is in the folded log. */
  readonly #ended = new Set<string>();
  /** How often each client command took effect, by the name it carries. */
  readonly #effects = new Map<string, number>();
  readonly #countedAt = new Set<number>();
  readonly #acknowledged: Acknowledged[] = [];
  /** `id/try` of every page that was sent, and the key under which each id was. */
  readonly #sent = new Set<string>();
  readonly #keys = new Map<string, string>();
  /** Ids of the notifications that arrived without a mark that they may be duplicates. */
  readonly #unmarked = new Set<string>();
  #pagesChecked = 0;
  #foldedUpTo = 0;

  constructor({ digest }: { readonly digest: Digest }) {
    this.#digest = digest;
  }

  get acknowledged(): readonly Acknowledged[] {
    return this.#acknowledged;
  }

  effect(host: Host, effect: Effect): void {
    if (effect.type === 'roleChanged' && effect.role === 'leader') this.#onLeader(host, effect);
    if (effect.type === 'persist') for (const entry of effect.entries) this.#onWritten(entry);
    if (effect.type === 'apply') for (const entry of effect.entries) this.#onCommitted(host, entry);
    if (effect.type === 'refused' && effect.kind === 'absurd') {
      throw new LawBroken('members send nothing absurd', `${effect.problem} (${host.name})`);
    }
  }

  /** An entry took effect on a node; the batch is without the requests that were repetitions. */
  applied(host: Host, { index, batch }: AppliedEntry): void {
    if (this.#countedAt.has(index)) return;
    this.#countedAt.add(index);
    for (const command of batch.commands) {
      if (command.kind === 'attempt') this.#attempts.add(`${command.notification}/${command.try}`);
      if (command.kind === 'outcome') this.#ended.add(`${command.notification}/${command.try}`);
      for (const name of namesIn(command)) {
        const times = (this.#effects.get(name) ?? 0) + 1;
        this.#effects.set(name, times);
        if (times > 1) {
          throw new LawBroken(
            'a request takes effect once',
            `${name} again at ${index} (${host.name})`,
          );
        }
      }
    }
  }

  /** A client got the answer that its command is in the log. */
  answered(name: string, result: Proposed): void {
    if (!result.ok) return;
    if (!this.#effects.has(name)) {
      throw new LawBroken('an acknowledged command is in the log', `${name} at ${result.index}`);
    }
    this.#acknowledged.push({ name, index: result.index });
  }

  /** Checks the notifications since the last call. */
  pages(pages: readonly ReceivedNotification[]): void {
    for (; this.#pagesChecked < pages.length; this.#pagesChecked++) {
      const page = pages[this.#pagesChecked];
      if (page !== undefined) this.#onPage(page);
    }
  }

  /** The names of everything that was acknowledged and has not taken effect: always none. */
  lost(): readonly string[] {
    return this.#acknowledged
      .filter(({ name }) => !this.#effects.has(name))
      .map(({ name }) => name);
  }

  #onLeader(host: Host, { term }: Extract<Effect, { type: 'roleChanged' }>): void {
    const before = this.#leaders.get(term);
    this.#leaders.set(term, host.nodeId);
    if (before !== undefined && before !== host.nodeId) {
      throw new LawBroken('election safety', `${before} and ${host.nodeId} lead in term ${term}`);
    }
    // A leader that froze on its way to office answers for what was committed before its term alone;
    // an entry of an earlier term may have been committed by a leader of a later one.
    let index = this.#foldedUpTo;
    while ((this.#folded.get(index)?.committedBy ?? 0) >= term) index--;
    const last = this.#folded.get(index);
    const { log } = host.process ?? {};
    if (last === undefined || log === undefined) return;
    const own = log.termAt(index);
    const hasIt = log.lastIndex >= index && (own === undefined || own === last.term);
    if (!hasIt) {
      throw new LawBroken(
        'leader completeness',
        `${host.nodeId} leads in term ${term}, and its log ends at ${log.lastIndex} ` +
          `(term ${String(own)}), but ${index} of term ${last.term} is committed`,
      );
    }
  }

  #onWritten(entry: Entry): void {
    const key = `${entry.term}:${entry.index}`;
    const digest = this.#digestOf(entry);
    const before = this.#written.get(key);
    this.#written.set(key, digest);
    if (before !== undefined && before !== digest) {
      throw new LawBroken(
        'log matching',
        `two entries have term ${entry.term}, index ${entry.index}`,
      );
    }
  }

  #onCommitted(host: Host, entry: Entry): void {
    const { index, term } = entry;
    const digest = this.#digestOf(entry);
    const before = this.#folded.get(index);
    if (before === undefined) {
      const committedBy = host.process?.node.raftStatus().term ?? Infinity;
      this.#folded.set(index, { term, digest, committedBy });
      this.#foldedUpTo = Math.max(this.#foldedUpTo, index);
    } else if (before.digest !== digest || before.term !== term) {
      throw new LawBroken('state machine safety', `${host.nodeId} folds another entry at ${index}`);
    }
  }

  #onPage(page: ReceivedNotification): void {
    const key = `${page.id}/${page.try}`;
    if (!this.#attempts.has(key)) {
      throw new LawBroken('nothing is sent before its attempt is committed', key);
    }
    // A successor has said what became of it: what leaves now is stale, and may contradict it.
    if (this.#ended.has(key)) throw new LawBroken('nothing is sent for a try that is over', key);
    if (this.#sent.has(key)) throw new LawBroken('one attempt is started once', key);
    this.#sent.add(key);
    const keyBefore = this.#keys.get(page.id) ?? page.idempotencyKey;
    this.#keys.set(page.id, page.idempotencyKey);
    if (keyBefore !== page.idempotencyKey) throw new LawBroken('the key of a page is stable', key);
    if (!page.accepted || page.uncertain) return;
    // Of two that arrive one is marked; not always the later one, since a process may stand still.
    if (this.#unmarked.has(page.id)) throw new LawBroken('a page that is a duplicate says so', key);
    this.#unmarked.add(page.id);
  }

  #digestOf({ type, data }: Entry): string {
    const kind = Uint8Array.of(type.length);
    return String(this.#digest.crc32(data, this.#digest.crc32(kind))) + data.length;
  }
}

/** Alerts that clients push have names of their own, so that they can be distinguished. */
function namesIn(command: Command): readonly string[] {
  if (command.kind !== 'alerts') return [];
  return command.alerts.map(({ labels }) => labelValue(labels, 'alertname'));
}
