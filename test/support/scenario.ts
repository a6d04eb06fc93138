/**
 * A desk in virtual time: one log, the fold over it, and a leader that does what a node does.
 * Scenarios say what happens when; the desk gives back what receivers were told, as lines.
 *
 * Promise: every entry goes through the codec, and after every entry the invariants of the state
 * are checked (scenario-invariants.ts). The desk is deaf to real time and knows no network: a
 * receiver answers what the scenario says it answers.
 */

import type { Batch, Command } from '../../src/commands/command.ts';
import type { Config } from '../../src/commands/config.ts';
import { UNREADABLE_STATUS, type Attempt } from '../../src/commands/delivery.ts';
import { labelPairs, labelsFrom } from '../../src/commands/labels.ts';
import { decodeBatch, encodeBatch } from '../../src/log/codec.ts';
import { decide, nextDue } from '../../src/projections/decide.ts';
import { keyOf } from '../../src/projections/uncertain-deliveries.ts';
import { nextCommands } from '../../src/projections/next-commands.ts';
import { INITIAL_STATE } from '../../src/projections/initial.ts';
import { Projection } from '../../src/projections/projection.ts';
import type { NotifiedAlert, State } from '../../src/projections/state.ts';
import { Suppressions } from '../../src/projections/suppressions.ts';
import { entries, get } from '../../src/projections/table.ts';
import type { Transition } from '../../src/projections/transaction.ts';
import { alertView, isFiring, openAttempts, type AlertView } from '../../src/projections/views.ts';
import { localTimeIn } from '../../src/io/daemon/local-time.ts';
import { config as defaultConfig, matchers, span } from './scenario-config.ts';
import { checkInvariants } from './scenario-invariants.ts';

/**
 * What a receiver does with one try: takes it, answers with an HTTP status, takes it and answers what
 * cannot be read, never answers, or the leader dies around it. `dies before` and `dies after` say whether the receiver got it.
 */
export type Answer = 'ok' | number | 'unreadable' | 'hangs' | 'dies before' | 'dies after';

/** A page that a receiver got. */
export interface Page {
  readonly at: number;
  readonly id: string;
  /** Its idempotency key, without the cluster's id. */
  readonly key: string;
  readonly group: string;
  readonly integration: string;
  readonly reason: string;
  readonly alerts: readonly NotifiedAlert[];
  /** True when it says of itself that it may be a duplicate. */
  readonly uncertain: boolean;
}

interface DeskOptions {
  readonly config?: Config | null;
  /** When `0:00` is: a UTC date that `Date.parse` reads. */
  readonly startsAt?: string;
  /** Types that this build can send. */
  readonly senders?: readonly string[];
  /** The version of the fold; the first one when left out, by which old logs are folded. */
  readonly reducers?: number;
}

interface PushTimes {
  /** A clock time such as `1:30`, or `unset`; absent is now. */
  readonly from?: string;
  /** A clock time; absent is "not set". */
  readonly until?: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

interface SilenceSketch {
  /** The id of the silence to edit. */
  readonly edits?: string;
  readonly from?: string;
  readonly until: string;
}

/** At one instant the leader has this many turns at most; more means that it runs in a circle. */
const TURNS_MAX = 1_000;

export class Desk {
  readonly pages: Page[] = [];
  /** The log: every entry's bytes, the first one at index 1. */
  readonly log: Uint8Array[] = [];
  readonly #projection = new Projection(INITIAL_STATE);
  readonly #start: number;
  readonly #senders: ReadonlySet<string>;
  readonly #answers = new Map<string, Answer[]>();
  readonly #timeline: { readonly at: number; readonly transition: Transition }[] = [];
  readonly #withheld: string[] = [];
  #now: number;
  #lastAt = 0;
  #leader: string | null = 'node-1';
  /** When a leader was last heard of. */
  #heardAt = 0;

  constructor({
    config = defaultConfig(),
    startsAt,
    senders = ['webhook'],
    reducers = 1,
  }: DeskOptions = {}) {
    this.#start = Date.parse(startsAt ?? '2026-01-05T00:00:00Z');
    this.#now = this.#start;
    this.#senders = new Set(senders);
    if (reducers > 1) this.append({ kind: 'reducers', version: reducers });
    if (config !== null) this.config(config);
  }

  get state(): State {
    return this.#projection.state;
  }

  /** Epoch milliseconds. */
  get now(): number {
    return this.#now;
  }

  /** Lets time pass to a clock time such as `0:30` or `1:00:00`, the leader doing its work. */
  at(clock: string): this {
    return this.until(this.#epochOf(clock));
  }

  /** Lets a span such as `7d` pass. */
  wait(text: string): this {
    return this.until(this.#now + span(text));
  }

  until(epochMs: number): this {
    if (epochMs < this.#now) throw new Error(`it is ${this.clock()} already`);
    while (this.#leader !== null && nextDue(this.state) <= epochMs) {
      this.#now = Math.max(this.#now, nextDue(this.state));
      this.#lead();
    }
    this.#now = epochMs;
    return this;
  }

  config(model: Config): this {
    return this.append({
      kind: 'config',
      origin: 'tocsin.yml',
      source: '',
      externalUrl: null,
      config: model,
    });
  }

  reading(series: string, value: number): this {
    return this.readings({ [series]: value });
  }

  /** Readings of one batch; names that are known travel as ids. */
  readings(values: Readonly<Record<string, number>>): this {
    const names: string[] = [];
    const ids = Object.keys(values).map((name) => {
      const known = this.#projection.seriesId(name);
      return known >= 0 ? known : -names.push(name);
    });
    return this.append({
      kind: 'observe',
      source: 'carbon',
      names,
      ids: Int32Array.from(ids),
      values: Float64Array.from(Object.values(values)),
    });
  }

  /** A push as Prometheus sends it. */
  push(labels: Readonly<Record<string, string>>, times: PushTimes = {}): this {
    const { from = this.clock() } = times;
    const alert = {
      labels: labelsFrom(Object.entries(labels)),
      annotations: labelsFrom(Object.entries(times.annotations ?? {})),
      startsAt: from === 'unset' ? 0 : this.#epochOf(from),
      endsAt: times.until === undefined ? 0 : this.#epochOf(times.until),
      generatorUrl: '',
    };
    return this.append({ kind: 'alerts', source: 'Prometheus', alerts: [alert] });
  }

  silence(freshId: string, matching: readonly string[], sketch: SilenceSketch): this {
    return this.append({
      kind: 'silence',
      id: sketch.edits ?? '',
      freshId,
      matchers: matchers(...matching),
      startsAt: sketch.from === undefined ? this.#now : this.#epochOf(sketch.from),
      endsAt: this.#epochOf(sketch.until),
      createdBy: 'alice',
      comment: '',
      annotations: [],
    });
  }

  unsilence(id: string): this {
    return this.append({ kind: 'expireSilence', id });
  }

  /** What an integration does with its next tries; `ok` for ever after. */
  answers(integration: string, ...answers: readonly Answer[]): this {
    this.#answers.set(integrationOf(integration), [...answers]);
    return this;
  }

  /** A hanging receiver answers at last. */
  answersNow(integration: string, answer: 'ok' | number): this {
    const open = openAttempts(this.state).find(
      ({ notification }) => notification.integration === integrationOf(integration),
    );
    if (open === undefined) throw new Error(`${integration} is not being asked anything`);
    if (answer === 'ok') this.#deliver(open.id);
    return this.append(outcomeOf(open.id, open.notification.tries, answer));
  }

  /** The leader dies: time passes, nothing is appended. */
  dies(): this {
    this.#leader = null;
    this.#heardAt = this.#now;
    return this;
  }

  /** A new leader: says since when nobody listened, and what it found under way. */
  leads(node: string): this {
    this.#leader = node;
    const previousAt = Math.max(this.#lastAt, this.#heardAt);
    this.append({ kind: 'lead', node, previousAt });
    const unknown = openAttempts(this.state).map(({ id, notification }) =>
      outcomeOf(id, notification.tries, 'unknown'),
    );
    return unknown.length === 0 ? this : this.append(...unknown);
  }

  /** Appends commands as one entry; a living leader then does what has become due. */
  append(...commands: readonly Command[]): this {
    this.commit(...commands);
    if (this.#leader !== null) this.#lead();
    return this;
  }

  /** Appends commands as one entry and leaves the leader idle. */
  commit(...commands: readonly Command[]): void {
    const batch: Batch = { at: this.#now, commands };
    const bytes = encodeBatch(batch);
    this.log.push(bytes);
    this.#lastAt = this.#now;
    for (const transition of this.#projection.apply(this.log.length, decodeBatch(bytes))) {
      this.#timeline.push({ at: this.#now, transition });
    }
    checkInvariants(this.state, this.#projection);
  }

  /** What would be decided now. */
  decisions(): ReturnType<typeof decide> {
    return decide(this.state, this.#now, {
      localTimeIn,
      senders: this.#senders,
      groupsMax: 1_000,
    });
  }

  /** The alerts that fire now, as people see them, sorted by fingerprint. */
  firing(): readonly AlertView[] {
    const firing = [...entries(this.state.alerts)].filter(([, alert]) => isFiring(alert, this.now));
    const suppressions = new Suppressions({ state: this.state, now: this.now, localTimeIn });
    return firing
      .map(([key, alert]) => alertView(this.state, key, alert, suppressions))
      .sort((a, b) => (a.fingerprint < b.fingerprint ? -1 : 1));
  }

  /** What receivers got: `0:30 team | first notification | firing HighCpu(servers.a.cpu)`. */
  told(): readonly string[] {
    return this.pages.map((page) => {
      const firing = page.alerts.filter((alert) => !alert.resolved).map(nameOf);
      const resolved = page.alerts.filter((alert) => alert.resolved).map(nameOf);
      const texts = [
        `${this.clock(page.at)} ${shortName(page.integration)}`,
        page.reason,
        ...(firing.length === 0 ? [] : [`firing ${firing.sort().join(' ')}`]),
        ...(resolved.length === 0 ? [] : [`resolved ${resolved.sort().join(' ')}`]),
        ...(page.uncertain ? ['may be a duplicate'] : []),
      ];
      return texts.join(' | ');
    });
  }

  /** Decisions not to tell: `5:30 team | every alert is muted | silence:s1`. */
  withheld(): readonly string[] {
    return this.#withheld;
  }

  /** What the fold did, of the kinds that are asked for. */
  timeline(...kinds: readonly Transition['kind'][]): readonly string[] {
    return this.#timeline
      .filter(({ transition }) => kinds.includes(transition.kind))
      .map(({ at, transition }) => `${this.clock(at)} ${transitionText(transition)}`);
  }

  /** What the fold says of the ends of tries: `0:30 team owed after retry`. */
  ends(): readonly string[] {
    return this.#timeline.flatMap(({ at, transition }) => {
      if (transition.kind !== 'notification' || transition.result === undefined) return [];
      const { integration, status, result } = transition;
      return [`${this.clock(at)} ${shortName(integration)} ${status} after ${result}`];
    });
  }

  /** A time as the scenario writes it. */
  clock(epochMs = this.#now): string {
    const ms = epochMs - this.#start;
    const two = (value: number): string => String(Math.floor(value)).padStart(2, '0');
    const hours = Math.floor(ms / 3_600_000);
    const minutes = Math.floor(ms / 60_000) % 60;
    const seconds = two((ms / 1_000) % 60) + (ms % 1_000 === 0 ? '' : `.${ms % 1_000}`);
    return hours === 0 ? `${minutes}:${seconds}` : `${hours}:${two(minutes)}:${seconds}`;
  }

  #epochOf(clock: string): number {
    const parts = clock.split(':').map(Number);
    if (parts.length < 2 || parts.some(Number.isNaN)) throw new Error(`'${clock}' is no time`);
    return this.#start + parts.reduce((sum, part) => sum * 60 + part, 0) * 1_000;
  }

  /** All that is due at this instant, in the order in which a node does it. */
  #lead(): void {
    for (let turn = 0; turn < TURNS_MAX; turn++) {
      if (this.#leader === null || nextDue(this.state) > this.#now) return;
      this.#turn(this.#leader);
    }
    throw new Error(`at ${this.clock()} something is due that nothing settles`);
  }

  /** As a node does: what is due is appended, and an attempt that the fold took is sent. */
  #turn(node: string): void {
    const options = {
      node,
      senders: this.#senders,
      localTimeIn,
      underWay: [],
      // Signs of life only mark when a leader listened, which the scenarios state themselves.
      appliedAt: this.#now,
      holdUntil: 0,
    };
    const commands = nextCommands(this.state, this.#now, options);
    if (commands.length === 0) return;
    const decisions = commands.filter((command) => command.kind === 'flush');
    this.commit(...commands);
    for (const decision of decisions) this.#noteWithheld(decision);
    for (const command of commands) {
      if (command.kind === 'attempt' && this.#isTrying(command)) this.#try(command.notification);
    }
  }

  /** A decision of the same turn may have replaced the notification. */
  #isTrying({ notification, try: tries }: Attempt): boolean {
    const row = get(this.state.notifications, notification);
    return row?.status === 'trying' && row.tries === tries;
  }

  #try(id: string): void {
    const row = this.#trying(id);
    const answer = this.#answers.get(row.integration)?.shift() ?? 'ok';
    if (this.#leader === null || answer === 'hangs') return;
    if (answer === 'ok' || answer === 'unreadable' || answer === 'dies after') this.#deliver(id);
    if (answer === 'dies before' || answer === 'dies after') this.#leader = null;
    else this.commit(outcomeOf(id, row.tries, answer));
  }

  #deliver(id: string): void {
    const row = this.#trying(id);
    const { group, integration, reason, alerts, uncertain } = row;
    const key = keyOf(id, row);
    this.pages.push({ at: this.#now, id, key, group, integration, reason, alerts, uncertain });
  }

  #trying(id: string) {
    const open = openAttempts(this.state).find((each) => each.id === id);
    if (open === undefined) throw new Error(`notification ${id} is not under way`);
    return open.notification;
  }

  #noteWithheld({ verdicts, muted }: ReturnType<typeof decide>[number]): void {
    const causes = [...new Set(muted.flatMap(({ by }) => by))];
    const why = causes.length === 0 ? '' : ` | ${causes.join(' ')}`;
    for (const { integration, notify, reason } of verdicts) {
      if (notify) continue;
      this.#withheld.push(`${this.clock()} ${shortName(integration)} | ${reason}${why}`);
    }
  }
}

type Ending = 'ok' | 'unknown' | 'unreadable' | number;

function outcomeOf(id: string, tryNumber: number, answer: Ending): Command {
  return {
    kind: 'outcome',
    notification: id,
    try: tryNumber,
    result: resultOf(answer),
    status: typeof answer === 'number' ? answer : STATUSES[answer],
    detail: '',
    tookMs: 0,
  };
}

const STATUSES = { ok: 200, unknown: 0, unreadable: UNREADABLE_STATUS } as const;

/** As the webhook sender judges a status: 5xx may pass, 4xx will not. */
function resultOf(answer: Ending) {
  if (answer === 'ok') return 'delivered';
  if (answer === 'unknown' || answer === 'unreadable') return 'unknown';
  return answer >= 500 ? 'retry' : 'rejected';
}

/** `team` for `team/webhook[0]`; any other integration is named in full. */
function shortName(integration: string): string {
  return integration.replace(/\/webhook\[0\]$/, '');
}

function integrationOf(integration: string): string {
  return integration.includes('/') ? integration : `${integration}/webhook[0]`;
}

/** `HighCpu(servers.a.cpu)`: the name of an alert, and its other labels' values. */
function nameOf({ labels }: { readonly labels: readonly string[] }): string {
  const pairs = [...labelPairs(labels)];
  const name = pairs.find(([label]) => label === 'alertname')?.[1] ?? '';
  const rest = pairs.filter(([label]) => label !== 'alertname').map(([, value]) => value);
  return rest.length === 0 ? name : `${name}(${rest.join(',')})`;
}

function transitionText(transition: Transition): string {
  switch (transition.kind) {
    case 'breach':
      return `breach ${transition.check} ${transition.series}=${transition.value}`;
    case 'recovered':
      return `recovered ${transition.check} ${transition.series}`;
    case 'firing':
      return `firing ${nameOf(transition)}`;
    case 'resolved':
      return `resolved ${nameOf(transition)}: ${transition.cause}`;
    case 'notification':
      return `${shortName(transition.integration)} ${transition.status}: ${transition.detail}`;
    case 'ignored':
      return `ignored ${transition.command}: ${transition.why}`;
  }
}
