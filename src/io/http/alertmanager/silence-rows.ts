/**
 * Silences as API v2 shows them, in the order in which people look for them.
 */

import type { Matcher } from '../../../commands/matchers.ts';
import { silenceStatus, type SilenceStatus } from '../../../projections/silences.ts';
import type { Silence, State } from '../../../projections/state.ts';
import { entries } from '../../../projections/table.ts';
import { labelsObject } from '../../../projections/views.ts';
import { alertmanagerTime } from './times.ts';

export interface SilenceQuery {
  /** A silence is wanted when it contains every one of these, to the letter. */
  readonly matchers: readonly Matcher[];
  readonly shows: Readonly<Record<SilenceStatus, boolean>>;
}

/** Active ones by their end, then pending ones by their start, then expired ones, latest first. */
export function silenceRows(state: State, now: number, query: SilenceQuery): readonly object[] {
  return [...entries(state.silences)]
    .filter(([, silence]) => query.shows[silenceStatus(silence, now)])
    .filter(([, silence]) => query.matchers.every((matcher) => contains(silence, matcher)))
    .sort(([, a], [, b]) => byUse(a, b, now))
    .map(([id, silence]) => silenceJson(id, silence, now));
}

export function silenceJson(id: string, silence: Silence, now: number): object {
  const { annotations, matchers, comment, createdBy } = silence;
  return {
    id,
    status: { state: silenceStatus(silence, now) },
    updatedAt: alertmanagerTime(silence.updatedAt),
    ...(annotations.length === 0 ? {} : { annotations: labelsObject(annotations) }),
    comment,
    createdBy,
    endsAt: alertmanagerTime(silence.endsAt),
    matchers: matchers.map(matcherJson),
    startsAt: alertmanagerTime(silence.startsAt),
  };
}

function matcherJson({ name, op, value }: Matcher): object {
  return { isEqual: !op.startsWith('!'), isRegex: op.endsWith('~'), name, value };
}

function contains({ matchers }: Silence, { name, op, value }: Matcher): boolean {
  return matchers.some((own) => own.name === name && own.op === op && own.value === value);
}

const ORDER: readonly SilenceStatus[] = ['active', 'pending', 'expired'];

function byUse(a: Silence, b: Silence, now: number): number {
  const status = silenceStatus(a, now);
  const byStatus = ORDER.indexOf(status) - ORDER.indexOf(silenceStatus(b, now));
  if (byStatus !== 0) return byStatus;
  switch (status) {
    case 'active':
      return a.endsAt - b.endsAt;
    case 'pending':
      return a.startsAt - b.startsAt;
    case 'expired':
      return b.endsAt - a.endsAt;
  }
}
