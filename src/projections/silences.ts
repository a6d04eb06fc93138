/**
 * The projection of silences, with Alertmanager's rules for edits: a silence changes in place only
 * where nobody could be misled about what was muted when; otherwise the old one ends and a new one
 * begins.
 */

import type { ExpireSilence, SetSilence } from '../commands/silences.ts';
import { matcherText, type Matcher } from '../commands/matchers.ts';
import { audit } from './audit.ts';
import { byClientClock, clientTimeOf, logTimeOf } from './client-time.ts';
import type { Silence } from './state.ts';
import type { Transaction } from './transaction.ts';

/** How long an expired silence can still be looked at, and brought back: Alertmanager's 120 h. */
export const EXPIRED_KEEP_MS = 120 * 3_600_000;

export type SilenceStatus = 'pending' | 'active' | 'expired';

/** What a silence is at a log time. */
export function silenceStatus(silence: Silence, at: number): SilenceStatus {
  const now = clientTimeOf(at, silence);
  if (silence.endsAt <= now) return 'expired';
  return silence.startsAt > now ? 'pending' : 'active';
}

/** Folds a new silence or an edit. */
export function setSilence(tx: Transaction, command: SetSilence): void {
  const old = command.id === '' ? undefined : tx.get('silences', command.id);
  if (command.id !== '' && old === undefined) {
    tx.note({ kind: 'ignored', command: 'silence', why: `there is no silence ${command.id}` });
    return;
  }
  const clock = byClientClock(tx.reducers.version < 2 ? 0 : command.offsetMs);
  const now = clientTimeOf(tx.at, clock);
  const silence: Silence = {
    ...clock,
    matchers: command.matchers,
    startsAt: Math.max(command.startsAt, now),
    endsAt: command.endsAt,
    createdBy: command.createdBy,
    comment: command.comment,
    annotations: command.annotations,
    updatedAt: tx.at,
  };
  const { actor, createdBy, freshId, id } = command;
  if (old !== undefined && changesInPlace(old, command, { at: tx.at, now })) {
    store(tx, id, { ...silence, startsAt: command.startsAt });
    audit(tx, { action: 'updateSilence', subject: id, actor, createdBy });
    return;
  }
  if (old !== undefined) expire(tx, id, old);
  store(tx, freshId, silence);
  if (old === undefined) audit(tx, { action: 'createSilence', subject: freshId, actor, createdBy });
  else {
    const detail = `replaced by ${freshId}`;
    audit(tx, { action: 'updateSilence', subject: id, detail, actor, createdBy });
  }
}

/** Folds the wish to end a silence now. */
export function expireSilence(tx: Transaction, command: ExpireSilence): void {
  const silence = tx.get('silences', command.id);
  if (silence === undefined) {
    tx.note({ kind: 'ignored', command: 'expireSilence', why: `there is no ${command.id}` });
    return;
  }
  const { actor, id } = command;
  if (!expire(tx, id, silence)) return;
  audit(tx, { action: 'expireSilence', subject: id, actor, createdBy: silence.createdBy });
}

/** Log time was set forward: a silence begins and ends as long after that as it would have. */
export function postponeSilences(tx: Transaction, stepMs: number): void {
  for (const [id, silence] of tx.entries('silences')) {
    if (silenceStatus(silence, tx.at - stepMs) === 'expired') continue;
    store(tx, id, { ...silence, offsetMs: (silence.offsetMs ?? 0) - stepMs });
  }
}

/** Its timer has come: a silence that expired long ago is forgotten. */
export function silenceDue(tx: Transaction, id: string): void {
  const silence = tx.get('silences', id);
  if (silence !== undefined && forgetAt(silence) <= tx.at) tx.remove('silences', id);
}

/** `now` is by the clock of whoever edits. */
function changesInPlace(
  old: Silence,
  command: SetSilence,
  { at, now }: { readonly at: number; readonly now: number },
): boolean {
  if (!sameMatchers(old.matchers, command.matchers)) return false;
  switch (silenceStatus(old, at)) {
    case 'active':
      return sameSecond(old.startsAt, command.startsAt) && command.endsAt >= now;
    case 'pending':
      return command.startsAt >= now;
    case 'expired':
      return false;
  }
}

/** Answers whether it had not been over before. */
function expire(tx: Transaction, id: string, silence: Silence): boolean {
  if (silenceStatus(silence, tx.at) === 'expired') return false;
  const now = clientTimeOf(tx.at, silence);
  const startsAt = Math.min(silence.startsAt, now);
  store(tx, id, { ...silence, startsAt, endsAt: now, updatedAt: tx.at });
  return true;
}

function store(tx: Transaction, id: string, silence: Silence): void {
  const before = tx.get('silences', id);
  if (before !== undefined) tx.clearTimer('foldTimers', silenceTimer(id), forgetAt(before));
  tx.put('silences', id, silence);
  tx.setTimer('foldTimers', silenceTimer(id), forgetAt(silence));
}

function forgetAt(silence: Silence): number {
  return logTimeOf(silence.endsAt, silence) + EXPIRED_KEEP_MS;
}

function sameMatchers(a: readonly Matcher[], b: readonly Matcher[]): boolean {
  const text = (matchers: readonly Matcher[]): string => matchers.map(matcherText).sort().join();
  return text(a) === text(b);
}

function sameSecond(a: number, b: number): boolean {
  return Math.floor(a / 1000) === Math.floor(b / 1000);
}

function silenceTimer(id: string): string {
  return `silence:${id}`;
}
