/**
 * A moment in words, for the columns of the time line: what, who or which alert, and the detail.
 */

import { labelPairs, labelsText, labelValue, type Labels } from '../../commands/labels.ts';
import { matcherText } from '../../commands/matchers.ts';
import { actorText, type Actor } from '../../commands/actor.ts';
import { durationText } from '../config/durations.ts';
import { timeText } from './time-text.ts';
import type { TimelineEvent } from './timeline-event.ts';

type TimelineEventOf<What extends TimelineEvent['what']> = Extract<
  TimelineEvent,
  { readonly what: What }
>;

/** Whom or what a moment is about. */
export function whoText(moment: TimelineEvent): string {
  switch (moment.what) {
    case 'breach':
    case 'recovered':
    case 'firing':
    case 'resolved':
      return alertText(moment.labels);
    case 'notify':
    case 'withhold':
      return moment.integration;
    case 'attempt':
    case 'outcome':
    case 'replaced':
      return moment.integration === '' ? moment.notification : moment.integration;
    case 'leader':
      return moment.node;
    case 'config':
      return moment.origin;
    case 'admin':
      return actorText(moment.actor);
    case 'silence':
    case 'expired':
      return moment.createdBy;
    case 'damage':
      return moment.file;
    case 'ignored':
      return moment.command;
    case 'gap':
    case 'unreadable':
    case 'snapshot':
      return '';
  }
}

/** `HighCpu{series="servers.a.cpu"}`: the name in front, as PromQL writes it. */
function alertText(labels: Labels): string {
  const name = labelValue(labels, 'alertname');
  const rest = [...labelPairs(labels)].filter(([label]) => label !== 'alertname').flat();
  return rest.length === 0 && name !== '' ? name : `${name}${labelsText(rest)}`;
}

export function detailText(moment: TimelineEvent): string {
  const text = knownText(moment);
  return moment.effectUnknown === true ? `${text}; whether it took effect is not known` : text;
}

function knownText(moment: TimelineEvent): string {
  switch (moment.what) {
    case 'breach':
      return breachText(moment);
    case 'recovered':
      return 'before it fired';
    case 'firing':
      return `${firingText(moment)} [${moment.fingerprint}]`;
    case 'resolved':
      return `${CAUSES[moment.cause]} [${moment.fingerprint}]`;
    case 'notify':
    case 'withhold':
      return decisionText(moment);
    case 'attempt':
      return `try ${moment.try} by ${moment.node}, notification ${moment.notification}`;
    case 'outcome':
      return outcomeText(moment);
    case 'replaced':
      return `notification ${moment.notification} is given up: ${GIVEN_UP[moment.cause]}`;
    case 'leader':
      return `leads from here on, term ${moment.term}`;
    case 'gap':
      return gapText(moment);
    case 'config':
      return `${configText(moment)}${byText(moment.actor)}`;
    case 'admin':
      return adminText(moment);
    case 'silence':
      return silenceText(moment);
    case 'expired':
      return `silence ${moment.id}: ${moment.cause}${byText(moment.actor)}`;
    case 'ignored':
      return moment.why;
    case 'damage':
      return `at byte ${moment.offset}: ${moment.problem}`;
    case 'unreadable':
      return moment.problem;
    case 'snapshot':
      return `the state is taken from the snapshot at ${moment.index}`;
  }
}

const CAUSES: Readonly<Record<TimelineEventOf<'resolved'>['cause'], string>> = {
  recovered: 'recovered',
  pushed: 'its sender says that it is over',
  expired: 'its end came, and it was not pushed again',
  'check changed': 'its check has changed',
};

const GIVEN_UP: Readonly<Record<TimelineEventOf<'replaced'>['cause'], string>> = {
  'newer decision': 'a newer decision of its group stands',
  'integration gone': 'its receiver no longer has this integration',
  reload: 'the new configuration has no such group for its receiver',
  'group gone': 'its group was gone when the try failed',
};

function breachText({ value, condition, firesAt, at }: TimelineEventOf<'breach'>): string {
  const reading = value === null ? condition : `${value} is ${condition}`;
  return firesAt > at ? `${reading}; fires at ${timeText(firesAt)} if it lasts` : reading;
}

function firingText({ check, value, pushedBy }: TimelineEventOf<'firing'>): string {
  if (value !== null) return `value ${value}`;
  if (check !== null) return 'no reading';
  return pushedBy === null ? 'pushed' : `pushed by ${pushedBy}`;
}

function decisionText(decision: TimelineEventOf<'notify' | 'withhold'>): string {
  const { reason, firing, resolved, muted, group } = decision;
  const causes = [...new Set(muted.flatMap(({ by }) => by))];
  const counts = [
    ...(firing.length === 0 ? [] : [`${firing.length} firing`]),
    ...(resolved.length === 0 ? [] : [`${resolved.length} resolved`]),
    ...(muted.length === 0 ? [] : [`${muted.length} muted by ${causes.join(', ')}`]),
  ];
  // The place of the route in front of the key only keeps equal keys apart.
  return [reason, ...counts, group.replace(/^\d+ /, '')].join('; ');
}

function outcomeText(outcome: TimelineEventOf<'outcome'>): string {
  const { result, status, detail, tookMs, nextTryAt, notification } = outcome;
  const answer = [result, ...(status === 0 ? [] : [String(status)])].join(' ');
  const said = detail === '' ? answer : `${answer}: ${detail}`;
  const next = nextTryAt === 0 ? '' : `; next try at ${timeText(nextTryAt)}`;
  return `${said} (${tookMs} ms, try ${outcome.try} of notification ${notification}${next})`;
}

function gapText(gap: TimelineEventOf<'gap'>): string {
  const { cause, quietMs, missingFrom, missingTo, knownFrom } = gap;
  const until = knownFrom === null ? 'from here on' : `before entry ${knownFrom}`;
  switch (cause) {
    case 'nobody listened':
      return `nobody listened for ${durationText(quietMs)}`;
    case 'before the log':
      return `the log begins at entry ${(missingTo ?? 0) + 1}; the state is not known ${until}`;
    case 'entries missing':
      return missingTo === null
        ? `entries from ${missingFrom} on are missing; the state is not known from here on`
        : `entries ${missingFrom} to ${missingTo} are missing; the state is not known ${until}`;
    case 'entry unreadable':
      return `the state is not known ${until}`;
    case 'after the log':
      return 'nothing is recorded from here on; what happened is not known';
  }
}

function configText(config: TimelineEventOf<'config'>): string {
  const { checks, receivers, routes, inhibitRules, timeIntervals, monitors } = config;
  return [
    counted(checks, 'check'),
    counted(receivers, 'receiver'),
    counted(routes, 'route'),
    counted(inhibitRules, 'inhibition rule'),
    counted(timeIntervals, 'time interval'),
    counted(monitors, 'monitor'),
  ].join(', ');
}

const ACTIONS: Readonly<Record<TimelineEventOf<'admin'>['action'], string>> = {
  addMember: 'asked to add a member',
  removeMember: 'asked to remove a member',
  transferLeadership: 'asked to transfer leadership',
  acceptClock: 'took the wall clock for right',
  backup: 'took a backup',
  forceNewCluster: 'made a new cluster of one of this data',
};

function adminText({ action, detail, subject }: TimelineEventOf<'admin'>): string {
  const about = [subject, ...(detail === '' ? [] : [`(${detail})`])].join(' ');
  return about === '' ? ACTIONS[action] : `${ACTIONS[action]}: ${about}`;
}

/** Nothing where nobody acted. */
function byText(actor: Actor | null | undefined): string {
  return actor === undefined ? '' : `, actor: ${actorText(actor)}`;
}

function counted(count: number, thing: string): string {
  return `${count} ${thing}${count === 1 ? '' : 's'}`;
}

function silenceText({
  id,
  edits,
  matchers,
  endsAt,
  comment,
  actor,
}: TimelineEventOf<'silence'>): string {
  const what = `${matchers.map(matcherText).join(', ')} until ${timeText(endsAt)}`;
  const changes = edits === null ? '' : edits === id ? ', edited' : `, replaces ${edits}`;
  return `${what}, silence ${id}${changes}${byText(actor)}${comment === '' ? '' : `: ${comment}`}`;
}
