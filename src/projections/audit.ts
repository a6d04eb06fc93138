/**
 * The projection of what people did, and who they were: the newest audit events, in a ring.
 *
 * Promise: an event is kept exactly when its command took effect, on every member alike, so it
 * outlives leaders, restarts and the log that it came from. What a client says of itself and what was
 * proven stand in fields of their own. By versions before 3 of the fold nothing is kept.
 */

import { actorOf, type Actor } from '../commands/actor.ts';
import { auditText, type Admin } from '../commands/admin.ts';
import type { Command } from '../commands/command.ts';
import { LIMITS } from '../commands/limits.ts';
import { rowAt } from './pages.ts';
import { recordsActors } from './reducers.ts';
import type { AuditEvent, State } from './state.ts';
import type { Transaction } from './transaction.ts';

interface Audited extends Pick<AuditEvent, 'action' | 'subject'> {
  readonly detail?: string;
  readonly actor: Actor | undefined;
  readonly createdBy?: string;
}

/** Keeps that something took effect. */
export function audit(tx: Transaction, event: Audited): void {
  if (!recordsActors(tx)) return;
  const { action, actor, createdBy, detail = '', subject } = event;
  const number = (tx.facts.audited ?? 0) + 1;
  tx.facts = { ...tx.facts, audited: number };
  tx.setRow('audit', number, {
    index: tx.index,
    at: tx.at,
    action,
    subject: auditText(subject),
    detail: auditText(detail),
    actor: actor === undefined ? null : actorOf(actor.kind, actor.name),
    createdBy: createdBy === undefined ? null : auditText(createdBy),
  });
  if (number > LIMITS.auditEvents) tx.removeRow('audit', number - LIMITS.auditEvents);
}

/** Folds what an administrator asked for. */
export function admin(tx: Transaction, { action, actor, detail, subject }: Admin): void {
  audit(tx, { action, actor, detail, subject });
}

/** Events with numbers below `before`, the newest first, at most `limit`. */
export function auditEvents(
  state: Pick<State, 'audit' | 'facts'>,
  { before, limit }: { readonly before: number; readonly limit: number },
): readonly (AuditEvent & { readonly number: number })[] {
  const found: (AuditEvent & { readonly number: number })[] = [];
  const newest = state.facts.audited ?? 0;
  for (let number = Math.min(before - 1, newest); found.length < limit; number--) {
    const event = rowAt(state.audit, number);
    if (number < 1 || event === undefined) break;
    found.push({ number, ...event });
  }
  return found;
}

/** How many events are kept. */
export function auditedCount({ facts }: Pick<State, 'facts'>): number {
  return Math.min(facts.audited ?? 0, LIMITS.auditEvents);
}

/** The number of the oldest event that is kept, or of the first one that will be. */
export function oldestAudited(state: Pick<State, 'facts'>): number {
  return (state.facts.audited ?? 0) - auditedCount(state) + 1;
}

/**
 * The commands as every member can read them: without actors, and without what only names one, while a
 * member may run a build that knows neither.
 */
export function readableCommands(
  state: Pick<State, 'reducers'>,
  commands: readonly Command[],
): readonly Command[] {
  if (recordsActors(state) || !commands.some(namesActor)) return commands;
  return commands.flatMap((command) => {
    if (command.kind === 'admin') return [];
    if (!('actor' in command)) return [command];
    const { actor: _actor, ...rest } = command;
    return [rest];
  });
}

function namesActor(command: Command): boolean {
  return command.kind === 'admin' || 'actor' in command;
}
