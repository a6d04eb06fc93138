/**
 * The time line: turns a folded entry into moments, in the order of cause and effect: what was
 * asked for, what crossed, what began or ceased to fire, what was decided, tried and achieved.
 *
 * Promise: an entry that changed nothing that people look at gives no moment and costs next to
 * nothing. A command without effect is shown as ignored, never as if it had happened.
 */

import type { Actor } from '../../commands/actor.ts';
import type { Command } from '../../commands/command.ts';
import type { Check, Condition, Route } from '../../commands/config.ts';
import type { Flush } from '../../commands/decisions.ts';
import type { Attempt, Outcome } from '../../commands/delivery.ts';
import { labelsFrom, type Labels } from '../../commands/labels.ts';
import type { ExpireSilence, SetSilence } from '../../commands/silences.ts';
import { alertLabels, checksOf, type CompiledCheck } from '../../projections/checks.ts';
import { globMatches } from '../../projections/glob.ts';
import { rowAt } from '../../projections/pages.ts';
import { logTimeOf } from '../../projections/client-time.ts';
import { silenceStatus } from '../../projections/silences.ts';
import type { AppliedConfig, Silence, State } from '../../projections/state.ts';
import { entries, get } from '../../projections/table.ts';
import type { Transition } from '../../projections/transaction.ts';
import { durationText } from '../config/durations.ts';
import type { Folded } from './fold.ts';
import type { TimelineEvent, Place } from './timeline-event.ts';

/** A silence of the log of this length means that nobody listened, as the fold has it. */
const GAP_MS = 10_000;

export class TimeLine {
  readonly #silenceEnds = new SilenceEnds();
  readonly #checks = new ChecksByName();

  /** Begins with a state that is taken as a whole. */
  begin(state: State, at: number): void {
    this.#silenceEnds.begin(state, at);
  }

  /** The state is not known from here on, so nobody can say which silences still stand. */
  invalidate(): void {
    this.#silenceEnds.forget();
  }

  /** What happened in one entry. */
  events(folded: Folded): readonly TimelineEvent[] {
    const { batch, transitions } = folded;
    const isQuiet =
      transitions.length === 0 &&
      batch.at < this.#silenceEnds.next &&
      batch.commands.every(isRoutine);
    return isQuiet ? NONE : this.#all(folded);
  }

  #all(folded: Folded): readonly TimelineEvent[] {
    const { batch, after, transitions } = folded;
    const moments: TimelineEvent[] = [];
    moments.push(...this.#silenceEnds.until(batch.at, folded.index));
    for (const command of batch.commands) moments.push(...requested(folded, command));
    for (const transition of transitions) moments.push(...this.#crossed(folded, transition));
    moments.push(...decided(folded));
    for (const command of batch.commands) moments.push(...delivered(folded, command));
    for (const transition of transitions) moments.push(...givenUp(folded, transition));
    if (after !== null && batch.commands.some(isAboutSilences)) {
      this.#silenceEnds.begin(after, batch.at);
    }
    return moments;
  }

  /** A reading that crossed, or an alert that began or ceased to fire. */
  #crossed(folded: Folded, transition: Transition): readonly TimelineEvent[] {
    const place = placeOf(folded);
    switch (transition.kind) {
      case 'breach':
      case 'recovered': {
        const { check, series } = transition;
        const rule = this.#checks.find(folded.after, check, series);
        const labels =
          rule === null ? labelsFrom([['alertname', check]]) : alertLabels(rule, series);
        const alert = { check, series, labels };
        if (transition.kind === 'recovered') return [{ ...place, what: 'recovered', ...alert }];
        const { firesAt } = transition;
        const value = rule?.condition.kind === 'missing' ? null : transition.value;
        const condition = rule === null ? '' : conditionText(rule.condition);
        return [{ ...place, what: 'breach', ...alert, value, condition, firesAt }];
      }
      case 'firing': {
        const { labels, fingerprint: key } = transition;
        const pushedBy = transition.value === null ? pusherOf(folded, labels) : null;
        const from = this.#originOf(folded.after, key, transition.value);
        return [{ ...place, what: 'firing', fingerprint: key, labels, ...from, pushedBy }];
      }
      case 'resolved': {
        const { fingerprint: key, labels, cause } = transition;
        return [{ ...place, what: 'resolved', fingerprint: key, labels, cause }];
      }
      case 'notification':
      case 'ignored':
        return NONE;
    }
  }

  /** Of a check for readings that are missing there is no reading to show. */
  #originOf(state: State | null, fingerprint: string, value: number | null) {
    const origin = state === null ? null : (get(state.alerts, fingerprint)?.origin ?? null);
    if (state === null || origin === null) return { check: null, value };
    const series = rowAt(state.series, origin.series) ?? '';
    const rule = this.#checks.find(state, origin.check, series);
    return { check: origin.check, value: rule?.condition.kind === 'missing' ? null : value };
  }
}

const NONE: readonly TimelineEvent[] = [];

const NOTHING_LOST = { missingFrom: 0, missingTo: 0, knownFrom: null, knownAt: 0 } as const;

/** Commands that by themselves are nothing to show: only what they cause is. */
function isRoutine({ kind }: Command): boolean {
  return kind === 'observe' || kind === 'alerts' || kind === 'clock' || kind === 'request';
}

/** Whether the ends of silences may be others after it: they move when log time is set. */
function isAboutSilences(command: Command): boolean {
  if (command.kind === 'lead') return command.stepMs !== undefined;
  return command.kind === 'silence' || command.kind === 'expireSilence';
}

function placeOf({ index, batch }: Folded): Place {
  return { index, at: batch.at };
}

/** The place of a command whose effect hangs on the state before it. */
function placeOfEffect({ index, batch, before }: Folded): Place {
  return before === null ? { index, at: batch.at, effectUnknown: true } : { index, at: batch.at };
}

/** What a leader or a person asked for. */
function requested(folded: Folded, command: Command): readonly TimelineEvent[] {
  const place = placeOf(folded);
  switch (command.kind) {
    case 'lead': {
      const leader = { ...place, what: 'leader', node: command.node, term: folded.term } as const;
      const { previousAt, stepMs = 0 } = command;
      const quietMs = previousAt === 0 ? 0 : place.at - previousAt - stepMs;
      if (quietMs <= GAP_MS) return [leader];
      const gap = { what: 'gap', cause: 'nobody listened', quietMs, ...NOTHING_LOST } as const;
      return [{ ...place, ...gap }, leader];
    }
    case 'config': {
      const { origin, config } = command;
      const counts = {
        checks: config.checks.length,
        receivers: config.receivers.length,
        routes: routesIn(config.route),
        inhibitRules: config.inhibitRules.length,
        timeIntervals: config.timeIntervals.length,
        monitors: config.monitors.length,
      };
      return [{ ...place, what: 'config', origin, ...counts, actor: command.actor ?? null }];
    }
    case 'admin': {
      const { action, actor, detail, subject } = command;
      const asked = { action, subject, detail, actor: actor ?? null };
      return [{ ...place, what: 'admin', ...asked }];
    }
    case 'silence':
      return silenceSet(folded, command);
    case 'expireSilence':
      return silenceExpired(folded, command);
    case 'observe':
    case 'alerts':
    case 'flush':
    case 'attempt':
    case 'outcome':
    case 'clock':
    case 'member':
    case 'forgetMember':
    case 'request':
    case 'reducers':
      return NONE;
  }
}

function routesIn(route: Route): number {
  return route.routes.reduce((sum, child) => sum + routesIn(child), 1);
}

/** Whether an edit changed the silence in place or replaced it shows in the states around it. */
function silenceSet(folded: Folded, command: SetSilence): readonly TimelineEvent[] {
  const { before, after } = folded;
  const { matchers, startsAt, endsAt, createdBy, comment } = command;
  const edits = command.id === '' ? null : command.id;
  const actor = command.actor ?? null;
  const said = { edits, matchers, startsAt, endsAt, createdBy, comment, actor };
  const asked = { what: 'silence', ...said } as const;
  if (before === null || after === null) {
    return [{ ...placeOfEffect(folded), ...asked, id: edits ?? command.freshId }];
  }
  const isNew = get(after.silences, command.freshId) !== get(before.silences, command.freshId);
  const id = isNew ? command.freshId : command.id;
  const silence = get(after.silences, id);
  if (silence === undefined || silence === get(before.silences, id)) return NONE;
  const set: TimelineEvent = { ...placeOf(folded), ...asked, id, startsAt: silence.startsAt };
  return isNew && edits !== null
    ? [...overNow(folded, edits, { cause: 'replaced', actor }), set]
    : [set];
}

function silenceExpired(folded: Folded, { actor, id }: ExpireSilence): readonly TimelineEvent[] {
  const end: End = { cause: 'by hand', actor: actor ?? null };
  if (folded.after !== null) return overNow(folded, id, end);
  const unknown = { matchers: [], createdBy: '' };
  return [{ ...placeOfEffect(folded), what: 'expired', id, ...end, ...unknown }];
}

interface End {
  readonly cause: 'by hand' | 'replaced';
  readonly actor: Actor | null;
}

/** A silence that was not over before the entry, and is after it. */
function overNow(folded: Folded, id: string, end: End): readonly TimelineEvent[] {
  const { before, after, batch } = folded;
  const was = before === null ? undefined : get(before.silences, id);
  const is = after === null ? undefined : get(after.silences, id);
  if (was === undefined || is === undefined || was === is) return NONE;
  if (silenceStatus(is, batch.at) !== 'expired') return NONE;
  const { matchers, createdBy } = is;
  return [{ ...placeOf(folded), what: 'expired', id, matchers, createdBy, ...end }];
}

/** What was decided about each integration of each group. */
function decided(folded: Folded): readonly TimelineEvent[] {
  let notifications = 0;
  const flushes = folded.batch.commands.filter(({ kind }) => kind === 'flush').length;
  const isCounted = folded.before !== null || flushes === 1;
  // As the fold numbers them, over all decisions of the entry that took effect.
  const newId = (): string | null => (isCounted ? `${folded.index}.${notifications++}` : null);
  return folded.batch.commands.flatMap((command) =>
    command.kind !== 'flush' || isIgnored(folded, command)
      ? NONE
      : verdictsOf(folded, command, newId),
  );
}

function verdictsOf(
  folded: Folded,
  command: Flush,
  newId: () => string | null,
): readonly TimelineEvent[] {
  const { group, tick: tickAt, firing, resolved, muted, verdicts } = command;
  const about = { ...placeOfEffect(folded), group, tickAt, firing, resolved, muted };
  if (verdicts.length === 0) {
    const integration = (folded.before && get(folded.before.groups, group)?.receiver) ?? '';
    const reason = 'the receiver has no integrations';
    return [{ ...about, what: 'withhold', integration, reason, notification: null }];
  }
  return verdicts.map(({ integration, notify, reason }): TimelineEvent => {
    const notification = notify ? newId() : null;
    const what = notify ? 'notify' : 'withhold';
    return { ...about, what, integration, reason, notification };
  });
}

/** Whether the tick of a decision had been used up before: then it did nothing. */
function isIgnored({ before, transitions }: Folded, { group, tick }: Flush): boolean {
  const anyIgnored = transitions.some(
    (transition) => transition.kind === 'ignored' && transition.command === 'flush',
  );
  return anyIgnored && before !== null && get(before.groups, group)?.nextFlush !== tick;
}

/** What was tried, and what became of it. */
function delivered(folded: Folded, command: Command): readonly TimelineEvent[] {
  if (command.kind !== 'attempt' && command.kind !== 'outcome') return NONE;
  if (folded.after !== null && !hadEffect(folded, command)) return NONE;
  const of = ofNotification(folded.after, command.notification);
  if (command.kind === 'attempt') {
    const { try: tryNumber, node } = command;
    return [{ ...placeOfEffect(folded), what: 'attempt', ...of, try: tryNumber, node }];
  }
  const { try: tryNumber, result, status, detail, tookMs } = command;
  const row = folded.after === null ? undefined : get(folded.after.notifications, of.notification);
  const nextTryAt = row?.status === 'owed' ? row.wakeAt : 0;
  const said = { result, status, detail, tookMs, nextTryAt };
  return [{ ...placeOfEffect(folded), what: 'outcome', ...of, try: tryNumber, ...said }];
}

/** An attempt that counts makes its notification `trying`, an outcome anything else. */
function hadEffect({ transitions }: Folded, command: Attempt | Outcome): boolean {
  return transitions.some(
    (transition) =>
      transition.kind === 'notification' &&
      transition.id === command.notification &&
      (transition.status === 'trying') === (command.kind === 'attempt'),
  );
}

/** What was given up, or had no effect. */
function givenUp(folded: Folded, transition: Transition): readonly TimelineEvent[] {
  if (transition.kind === 'ignored') {
    const { command, why } = transition;
    return [{ ...placeOf(folded), what: 'ignored', command, why }];
  }
  if (transition.kind !== 'notification' || transition.cause === undefined) return NONE;
  const { cause, id } = transition;
  return [{ ...placeOf(folded), what: 'replaced', ...ofNotification(folded.after, id), cause }];
}

function ofNotification(state: State | null, notification: string) {
  const row = state === null ? undefined : get(state.notifications, notification);
  return {
    notification,
    integration: row?.integration ?? '',
    group: row?.group ?? '',
    firing: row?.firing ?? [],
    resolved: row?.resolved ?? [],
  };
}

/** Who pushed an alert: the row keeps the very labels of the command that brought it. */
function pusherOf({ batch }: Folded, labels: Labels): string | null {
  for (const command of batch.commands) {
    if (command.kind !== 'alerts') continue;
    if (command.alerts.some((alert) => alert.labels === labels)) return command.source;
  }
  return null;
}

function conditionText({ kind, low, high, missingMs }: Condition): string {
  switch (kind) {
    case 'above':
      return `above ${high}`;
    case 'below':
      return `below ${low}`;
    case 'outside':
      return `outside ${low} to ${high}`;
    case 'missing':
      return `missing for ${durationText(missingMs)}`;
  }
}

/** Finds the check that a transition names; made once for each configuration. */
class ChecksByName {
  #config: AppliedConfig | null = null;
  readonly #byName = new Map<string, CompiledCheck[]>();

  find(state: State | null, name: string, series: string): Check | null {
    if (state === null || state.config === null) return null;
    if (state.config !== this.#config) this.#learn(state, state.config);
    const named = this.#byName.get(name) ?? [];
    // Two checks may share a name; which of them it was shows in the series it watches.
    const found = named.find(({ glob }) => globMatches(glob, series)) ?? named[0];
    return found?.check ?? null;
  }

  #learn(state: State, config: AppliedConfig): void {
    this.#config = config;
    this.#byName.clear();
    for (const compiled of checksOf(config, state.facts).all) {
      const same = this.#byName.get(compiled.check.name);
      if (same === undefined) this.#byName.set(compiled.check.name, [compiled]);
      else same.push(compiled);
    }
  }
}

/** Silences end without a command; somebody must watch the clock for the time line. */
class SilenceEnds {
  #ends = new Map<string, Silence>();
  /** When the next one ends; Infinity when none does. */
  next = Infinity;

  begin(state: State, at: number): void {
    const open = [...entries(state.silences)].filter(
      ([, silence]) => silenceStatus(silence, at) !== 'expired',
    );
    this.#ends = new Map(open);
    this.#findNext();
  }

  forget(): void {
    this.#ends.clear();
    this.#findNext();
  }

  /** The silences whose time was over by `at`, and not before. */
  *until(at: number, index: number): Generator<TimelineEvent> {
    if (at < this.next) return;
    for (const [id, silence] of this.#ends) {
      const endsAt = logTimeOf(silence.endsAt, silence);
      if (endsAt > at) continue;
      const { matchers, createdBy } = silence;
      this.#ends.delete(id);
      const cause = 'its time was over';
      yield { index, at: endsAt, what: 'expired', id, cause, matchers, createdBy };
    }
    this.#findNext();
  }

  #findNext(): void {
    this.next = Infinity;
    for (const silence of this.#ends.values()) {
      this.next = Math.min(this.next, logTimeOf(silence.endsAt, silence));
    }
  }
}
