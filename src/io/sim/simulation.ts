/**
 * One simulated run of a cluster: it assembles itself, works, and is beset by everything in its
 * schedule; then the faults end, and it must become whole again by itself.
 *
 * Promise: the same options give the same run, with the same trace hash. A broken law, a node that
 * gives up without a reason, or a cluster that does not become whole is reported with the seed and
 * the trace; nothing else ends a run early.
 */

import { encodeCanonical } from '../../log/codec.ts';
import { labelsFrom } from '../../commands/labels.ts';
import type { Command } from '../../commands/command.ts';
import type { Config } from '../../commands/config.ts';
import type { Digest } from '../../log/disk.ts';
import { LogFailed } from '../../log/damage.ts';
import type { LocalTimeIn } from '../../projections/muting.ts';
import { UnsupportedReducerVersion } from '../../projections/reducers.ts';
import { pagesOf } from '../../projections/snapshot-pages.ts';
import type { State } from '../../projections/state.ts';
import { isJoint } from '../../raft/confchange.ts';
import type { Effect } from '../../raft/types.ts';
import type { AppliedEntry, TransferReason, Proposed } from '../ports.ts';
import { buildAt, canRead, NEWEST_BUILD } from './builds.ts';
import { Checker, LawBroken } from './checker.ts';
import { SimulatedCluster, type Host, type Witness } from './cluster.ts';
import { Faults } from './faults.ts';
import { Gray } from './gray.ts';
import { Listening } from './listening.ts';
import { scheduleOf, type Action, type ActionKind } from './schedule.ts';
import { SeededRandom } from './seeded-random.ts';
import { Coverage } from './coverage.ts';

export interface SimulationOptions {
  readonly seed: number;
  readonly config: Config;
  /** Length of the phase with faults. */
  readonly faultyMs: number;
  readonly actionsPerTenSeconds: number;
  /**
   * The longest pause between two commands of clients; a fifth of it on average, since they come
   * close together at times. Infinity for a cluster that nobody uses.
   */
  readonly clientPauseMsMax: number;
  /** Members at the beginning. */
  readonly members: number;
  /** Only these actions of the schedule, by their place in it; all when left out. */
  readonly only?: ReadonlySet<number>;
  /** Only actions of these kinds; all when left out. */
  readonly kinds?: readonly ActionKind[];
}

export interface SimulationModules {
  readonly digest: Digest;
  readonly localTimeIn: LocalTimeIn;
}

export interface SimulationResult {
  readonly seed: number;
  /** What went wrong; null for a clean run. */
  readonly problem: string | null;
  readonly simulatedMs: number;
  /** Tasks of virtual time that ran. */
  readonly tasks: number;
  readonly traceHash: string;
  /** The last things that happened, one line each. */
  readonly trace: readonly string[];
  readonly actions: readonly Action[];
  readonly coverage: Coverage;
  readonly acknowledged: number;
  readonly pages: number;
}

/** After the faults end: time to elect, heal, catch up and notify. */
const WHOLE_WITHIN_MS = 120_000;
/** After that: groups wait, receivers are far and refuse, but no notification takes longer. */
const TOLD_WITHIN_MS = 20_000;
const TRACE_LINES = 120;
/** By how much words of clocks may be late. */
const LOG_TIME_MS_MAX = 2_000;
/** How often the run checks whether the cluster has recovered: no law, so this may be rare. */
const LOOK_EVERY_MS = 50;

/** Conditions that only a log message of the node shows. */
const LOGGED = [
  [/^clock differs/, 'clock too wrong to be leader'],
  [/^dead member/, 'dead member replaced'],
  [/^log damaged/, 'log damaged and quarantined'],
  [/^log damaged.*no snapshot that reaches/, 'log given up without its snapshot'],
  [/^data folder is older than/, 'older data directory detected'],
  [/^snapshot damaged/, 'damaged snapshot quarantined'],
  [/^history dropped/, 'history dropped'],
  [/^torn tail/, 'torn tail cut'],
] as const;
/** Every refusal of something of a later build contains this. */
const TOO_NEW = 'newer tocsin';
/** The log message of a member of which others remember more than its disk holds. */
const ROLLED_BACK = 'data folder is older than';

export async function simulate(
  options: SimulationOptions,
  modules: SimulationModules,
): Promise<SimulationResult> {
  return new Simulation(options, modules).run();
}

class Simulation implements Witness {
  readonly #options: SimulationOptions;
  readonly #modules: SimulationModules;
  readonly #cluster: SimulatedCluster;
  readonly #checker: Checker;
  readonly #coverage = new Coverage();
  readonly #faults: Faults;
  readonly #listening: Listening;
  readonly #gray: Gray;
  /** The newest entry that any node has folded. */
  #foldedIndex = 0;
  readonly #actions: readonly Action[];
  /** Clients draw from their own numbers, so that a fault left out changes none of what they do. */
  readonly #clients: SeededRandom;
  readonly #trace: string[] = [];
  /** When clients got the answer that their alert is in the log, by its name. */
  readonly #answeredAtMs = new Map<string, number>();
  #hash = 0;
  #problem: string | null = null;
  #commands = 0;
  /** The newest version of the fold that any node folds by. */
  #foldVersion: number;

  constructor(options: SimulationOptions, modules: SimulationModules) {
    const { config, seed } = options;
    this.#options = options;
    this.#modules = modules;
    this.#checker = new Checker(modules);
    this.#clients = new SeededRandom(seed ^ 0xc11e);
    // Clusters were there before rules and frames that are new; the newest build founds none here.
    const founder = Math.floor(new SeededRandom(seed ^ 0xf0d).next() * NEWEST_BUILD);
    this.#foldVersion = buildAt(founder).reducersMax;
    this.#listening = new Listening(this.#foldVersion);
    this.#cluster = new SimulatedCluster(
      { seed, config, snapshotEntries: 60, founder, ...historyOf(seed) },
      { ...modules, witness: this },
    );
    this.#gray = new Gray(this.#cluster);
    const drawn = scheduleOf({
      seed,
      lengthMs: options.faultyMs,
      perTenSeconds: options.actionsPerTenSeconds,
    });
    const { kinds, only } = options;
    this.#actions = drawn.filter(({ kind }, i) => {
      return (only?.has(i) ?? true) && (kinds?.includes(kind) ?? true);
    });
    this.#faults = new Faults({
      cluster: this.#cluster,
      note: (line) => this.#note(line),
      coverage: this.#coverage,
    });
  }

  async run(): Promise<SimulationResult> {
    try {
      await this.#live();
    } catch (error) {
      this.#break(error as Error);
    }
    this.#countWorld();
    return {
      seed: this.#options.seed,
      problem: this.#problem,
      simulatedMs: this.#cluster.time.nowMs,
      tasks: this.#cluster.time.tasksRun,
      traceHash: (this.#hash >>> 0).toString(16).padStart(8, '0'),
      trace: this.#trace,
      actions: this.#actions,
      coverage: this.#coverage,
      acknowledged: this.#checker.acknowledged.length,
      pages: this.#cluster.receivers.notifications.length,
    };
  }

  /** What the network and the receivers have seen. */
  #countWorld(): void {
    const { network, receivers } = this.#cluster;
    const { count } = this.#coverage;
    count('frame cut off', network.counts.cut);
    count('frame doubled', network.counts.doubled);
    count('frame lost', network.counts.dropped);
    count('notification sent', receivers.notifications.length);
    const uncertain = receivers.notifications.filter((page) => page.uncertain).length;
    count('notification marked as a possible duplicate', uncertain);
  }

  async #live(): Promise<void> {
    const { time } = this.#cluster;
    for (let i = 1; i <= this.#options.members; i++) this.#cluster.addHost(`n${i}`, i === 1);
    for (const action of this.#actions) time.after(action.atMs, () => this.#faults.strike(action));
    this.#keepRunning();
    if (this.#options.clientPauseMsMax < Infinity) this.#work();
    await this.#pass(this.#options.faultyMs);
    this.#faults.end();
    this.#note('the faults end');
    await this.#becomeWhole();
  }

  /** Lets so much time pass, looking at the laws after every step; answers whether it is over. */
  async #pass(ms: number, isOver = (): boolean => false): Promise<boolean> {
    const { receivers, time } = this.#cluster;
    const until = time.nowMs + ms;
    let lookAtMs = 0;
    const isDone = await time.runWhile(until, () => {
      this.#listening.look(this.#cluster.wallMs(), this.#cluster.isListening());
      this.#guard(() => this.#checker.pages(receivers.notifications));
      if (this.#problem !== null) return true;
      if (time.nowMs < lookAtMs) return false;
      lookAtMs = time.nowMs + LOOK_EVERY_MS;
      this.#guard(() => this.#gray.look());
      return this.#problem !== null || isOver();
    });
    return isDone && this.#problem === null;
  }

  /** Hosts without a process get one: again and again, as a supervisor does. */
  #keepRunning(): void {
    this.#faults.switchOff();
    this.#faults.upgradeRest();
    for (const host of this.#cluster.hosts.values()) this.#faults.revive(host);
    this.#cluster.time.after(250, () => this.#keepRunning());
  }

  /** Clients go on all the time, through any node that is there. */
  #work(): void {
    const hosts = this.#cluster.living();
    const host = hosts[Math.floor(this.#clients.next() * hosts.length)];
    const isPush = this.#clients.next() < 0.6;
    const value = this.#clients.next() < 0.5 ? 95 : 20;
    const series = `servers.${Math.floor(this.#clients.next() * 4)}.cpu`;
    if (host !== undefined) {
      if (isPush) this.#push(host, `op-${++this.#commands}`);
      else this.#read(host, series, value);
    }
    const pauseMs = 1 + this.#clients.next() ** 4 * this.#options.clientPauseMsMax;
    this.#cluster.time.after(pauseMs, () => this.#work());
  }

  #push(host: Host, alertname: string): void {
    const labels = labelsFrom([
      ['alertname', alertname],
      ['group', String(this.#commands % 3)],
    ]);
    const alert = { labels, annotations: [], startsAt: 0, endsAt: 0, generatorUrl: '' };
    const command: Command = { kind: 'alerts', source: 'client', alerts: [alert] };
    void host.process?.node.propose([command]).then((result) => this.#onAnswer(alertname, result));
  }

  #read(host: Host, series: string, value: number): void {
    const { node } = host.process ?? {};
    if (node === undefined) return;
    const id = node.seriesId(series);
    node.offer(
      {
        kind: 'observe',
        source: 'carbon',
        names: id < 0 ? [series] : [],
        ids: Int32Array.of(id < 0 ? -1 : id),
        values: Float64Array.of(value),
      },
      ({ code }) => this.#coverage.count(`reading lost: ${code}`),
    );
  }

  #onAnswer(name: string, result: Proposed): void {
    if (result.ok) this.#answeredAtMs.set(name, this.#cluster.time.nowMs);
    this.#coverage.count(result.ok ? 'command acknowledged' : `answered ${result.code}`);
    this.#guard(() => this.#checker.answered(name, result));
  }

  // -------------------------------------------------------------------------------------------
  // After the faults

  async #becomeWhole(): Promise<void> {
    const isWhole = await this.#pass(WHOLE_WITHIN_MS, () => this.#isWhole());
    if (this.#problem !== null) return;
    if (!isWhole) throw new LawBroken('the cluster becomes whole', this.#picture());
    const from = this.#cluster.time.nowMs;
    await this.#pass(5_000);
    const until = this.#cluster.time.nowMs;
    await this.#pass(TOLD_WITHIN_MS);
    if (this.#problem !== null) return;
    this.#expectTold(from, until);
    const lost = this.#checker.lost();
    if (lost.length > 0) throw new LawBroken('nothing acknowledged is lost', lost.join(' '));
    this.#expectSwitched();
    this.#expectTime();
    await this.#compareStates();
  }

  /** Every alert that was acknowledged while the cluster was healthy has a notification. */
  #expectTold(fromMs: number, untilMs: number): void {
    const told = new Set<string>();
    for (const { accepted, firing } of this.#cluster.receivers.notifications) {
      if (accepted) for (const alert of firing) told.add(alert.slice(0, alert.indexOf('(')));
    }
    for (const [name, atMs] of this.#answeredAtMs) {
      if (atMs < fromMs || atMs > untilMs || told.has(name)) continue;
      throw new LawBroken('nobody is left unpaged', `${name}, acknowledged at ${atMs} ms`);
    }
  }

  /** All members have long been able to fold by the rules that all of them want. */
  #expectSwitched(): void {
    for (const { build, name, process } of this.#cluster.hosts.values()) {
      const { reducersWanted } = buildAt(build);
      const version = process?.node.view().state.reducers.version ?? reducersWanted;
      if (version >= reducersWanted) continue;
      throw new LawBroken(
        'the fold is switched once all members want it',
        `${name} folds by version ${version}, and its build wants ${reducersWanted}`,
      );
    }
  }

  /** Whatever clocks did, log time is that of the world again, or has hardly left it. */
  #expectTime(): void {
    for (const { name, process } of this.#cluster.hosts.values()) {
      if (process === null || process.node.view().state.reducers.version < 2) continue;
      const aheadMs = process.node.time().at - this.#cluster.wallMs();
      if (Math.abs(aheadMs) <= LOG_TIME_MS_MAX) continue;
      throw new LawBroken(
        'log time keeps to the time of the world',
        `${name}: ${aheadMs} ms ahead`,
      );
    }
  }

  #isWhole(): boolean {
    const hosts = this.#cluster.living();
    if (hosts.length < this.#cluster.hosts.size) return false;
    const statuses = hosts.map(({ process }) => process?.node.status());
    const leader = statuses.find((status) => status?.role === 'leader');
    if (leader === undefined || !this.#cluster.isUpgraded()) return false;
    // By their ids: one seat of a dead node and one host that is no member yet would make up for it.
    const ids = new Set(hosts.map(({ nodeId }) => nodeId));
    const members = leader.members.filter(({ role }) => role !== 'learner');
    if (members.length !== ids.size || !members.every(({ nodeId }) => ids.has(nodeId)))
      return false;
    return statuses.every((status) => {
      return status !== undefined && leader.commitIndex - status.appliedIndex < 20;
    });
  }

  /** At an equal index all states are equal, page for page. */
  async #compareStates(): Promise<void> {
    const roots = new Map<number, Map<string, string>>();
    await this.#pass(10_000, () => {
      const views = this.#cluster
        .living()
        .map((host) => ({ host, view: host.process?.node.view() }));
      const [first] = views;
      const isLevel = views.every(({ view }) => view?.index === first?.view?.index);
      if (!isLevel || first?.view === undefined) return false;
      for (const { host, view } of views) {
        if (view === undefined) continue;
        const digests = roots.get(view.index) ?? new Map<string, string>();
        roots.set(view.index, digests.set(host.name, this.#rootOf(view.state)));
      }
      return true;
    });
    if (this.#problem !== null) return;
    if (roots.size === 0) throw new LawBroken('members catch up', this.#picture());
    for (const [index, digests] of roots) {
      if (new Set(digests.values()).size > 1) {
        throw new LawBroken(
          'equal logs give equal states',
          `${index}: ${JSON.stringify([...digests])}`,
        );
      }
    }
  }

  #rootOf(state: State): string {
    const { digest } = this.#modules;
    let crc = 0;
    for (const { path, page } of pagesOf(state)) {
      crc = digest.crc32(encodeCanonical([path, page]), crc);
    }
    return String(crc);
  }

  #picture(): string {
    const lines = [...this.#cluster.hosts.values()].map(({ name, nodeId, process, starts }) => {
      if (process === null) return `${name} (${nodeId}) is down after ${starts} starts`;
      const { role, term, leader, commitIndex, appliedIndex, lastIndex, members } =
        process.node.status();
      const who = members.map((member) => `${member.nodeId}:${member.role}`).join(' ');
      return `${name} (${nodeId}) ${role} term ${term} leader ${leader} last ${lastIndex} commit ${commitIndex} applied ${appliedIndex} [${who}]`;
    });
    return `after ${WHOLE_WITHIN_MS} ms without faults:\n  ${lines.join('\n  ')}`;
  }

  // -------------------------------------------------------------------------------------------
  // What processes do

  started(host: Host): void {
    this.#note(`${host.name} started (${host.nodeId}, start ${host.starts})`);
    if (new Set(this.#cluster.living().map(({ build }) => build)).size > 1) {
      this.#coverage.count('members of two builds');
    }
  }

  effect(host: Host, effect: Effect): void {
    this.#mix(`${host.name}${effect.type}`);
    this.#countEffect(effect);
    if (effect.type === 'roleChanged') {
      this.#note(`${host.name} ${effect.role} term ${effect.term} leader ${effect.leader}`);
    }
    if (effect.type === 'configChanged') {
      const { voters, votersOutgoing, learners } = effect.confState;
      this.#note(
        `${host.name} config ${effect.index}: ${voters.join(' ')} | ${votersOutgoing.join(' ')} | ${learners.join(' ')}`,
      );
    }
    this.#checker.effect(host, effect);
  }

  #countEffect(effect: Effect): void {
    const { count } = this.#coverage;
    switch (effect.type) {
      case 'roleChanged':
        if (effect.role === 'leader') count('leader elected');
        if (effect.role === 'candidate') count('candidate campaigned');
        return;
      case 'persist':
        if (effect.truncateFrom !== undefined) count('entries truncated');
        if (effect.snapshot !== undefined) count('log started after a snapshot');
        return;
      case 'installSnapshot':
        count('snapshot installed');
        return;
      case 'configChanged':
        count(isJoint(effect.confState) ? 'joint configuration' : 'configuration changed');
        if (effect.confState.learners.length > 0) count('learner added');
        return;
      case 'transferEnded':
        count(effect.moved ? 'leadership transferred' : 'transfer given up');
        return;
      case 'readEntries':
        count('old entries read from disk');
        return;
      case 'healed':
      case 'indeterminate':
      case 'sendSnapshot':
      case 'readReady':
        count(effect.type);
        return;
      default:
        return;
    }
  }

  applied(host: Host, entry: AppliedEntry): void {
    const { index, batch } = entry;
    this.#mix(`${host.name}${index}:${batch.at}:${batch.commands.length}`);
    this.#checker.applied(host, entry);
    if (index > this.#foldedIndex) {
      this.#foldedIndex = index;
      this.#listening.applied(entry, this.#cluster.wallMs());
    }
    this.#watchFold(host);
    const unknown = batch.commands.find((command) => !canRead(host.build, command));
    if (unknown === undefined) return;
    throw new LawBroken('a build reads what is in the log', `${host.name} met ${unknown.kind}`);
  }

  transferring(host: Host, reason: TransferReason): void {
    this.#coverage.count(`leader found unfit: ${reason}`);
    this.#note(`${host.name} transfers leadership: ${reason}`);
    this.#guard(() => this.#gray.transferring(host));
  }

  #watchFold(host: Host): void {
    const version = host.process?.node.view().state.reducers.version ?? 1;
    if (version > buildAt(host.build).reducersMax) {
      throw new LawBroken(
        'a build folds by rules that it has',
        `${host.name} folds by version ${version}`,
      );
    }
    if (version <= this.#foldVersion) return;
    this.#foldVersion = version;
    this.#coverage.count('reducers switched');
    this.#note(`${host.name} folds by version ${version}`);
  }

  logged(host: Host, level: 'info' | 'warn' | 'error', message: string): void {
    if (level !== 'info') this.#note(`${host.name} ${level}: ${message}`);
    for (const [pattern, condition] of LOGGED) {
      if (pattern.test(message)) this.#coverage.count(condition);
    }
    if (message === 'history dropped') this.#countLacking(host);
    if (message.includes(TOO_NEW)) this.#tooOld(host, message);
    if (message.startsWith(ROLLED_BACK) && !host.wasPutBack) this.#falselyAccused(host, message);
  }

  /** Members that run and lack entries which another one has just dropped. */
  #countLacking(host: Host): void {
    const firstIndex = host.process?.log.firstIndex ?? 1;
    const lacking = this.#cluster.living().filter(({ process }) => {
      return process !== null && process.log.lastIndex + 1 < firstIndex;
    });
    this.#coverage.count('history dropped that a member lacks', lacking.length);
  }

  failed(host: Host, error: Error): void {
    this.#note(`${host.name} gave up: ${error.message}`);
    if (error instanceof UnsupportedReducerVersion) this.#tooOld(host, error.message);
    if (error instanceof LogFailed || error.message.startsWith('snapshot ')) {
      this.#coverage.count('node stopped by its disk');
    } else {
      this.#break(error);
    }
  }

  refused(host: Host, error: Error): void {
    this.#break(new LawBroken('a node starts on what it left', `${host.name}: ${error.message}`));
  }

  #tooOld({ name }: Host, message: string): void {
    this.#break(new LawBroken('no build is too old for what it meets', `${name}: ${message}`));
  }

  #falselyAccused({ name }: Host, message: string): void {
    this.#break(new LawBroken('only what was put back is taken for old', `${name}: ${message}`));
  }

  #guard(check: () => void): void {
    try {
      check();
    } catch (error) {
      this.#break(error as Error);
    }
  }

  #break(error: Error): void {
    this.#problem ??= error instanceof LawBroken ? error.message : (error.stack ?? error.message);
  }

  #note(line: string): void {
    const { nowMs } = this.#cluster.time;
    this.#mix(line);
    this.#trace.push(`${(nowMs / 1_000).toFixed(3).padStart(8)} ${line}`);
    if (this.#trace.length > 2 * TRACE_LINES) this.#trace.splice(0, TRACE_LINES);
  }

  #mix(text: string): void {
    let hash = this.#hash ^ Math.floor(this.#cluster.time.nowMs * 1_000);
    for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
    this.#hash = hash;
  }
}

/** What members keep: half of all clusters have so little room that they drop history all the time. */
function historyOf(seed: number): { segmentBytesMax: number; retentionBytes?: number } {
  const isSmall = new SeededRandom(seed ^ 0x4157).next() < 0.5;
  return isSmall ? { segmentBytesMax: 4_096, retentionBytes: 50_000 } : { segmentBytesMax: 16_384 };
}
