/**
 * One run: the cluster comes up, load and faults go on together, all is healed and read, and the
 * logs are replayed.
 *
 * Promise: it ends in bounded time once `signal` is aborted, with a verdict on what there was until
 * then; no member lives on afterwards.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { SeededRandom } from '../../sim/seeded-random.ts';
import { Cluster } from './cluster.ts';
import { ALERT_LABEL, configText } from './config.ts';
import { FaultMaker, nextFault, nextPauseMs, type FaultKind } from './faults.ts';
import { Inbox } from './inbox.ts';
import { Load } from './load.ts';
import { clockText, type Run } from './print.ts';
import { replayTo, type Replayed } from './replays.ts';
import { chaosReportOn, type ChaosReport } from './report.ts';

export interface ChaosOptions {
  readonly directory: string;
  readonly nodes: number;
  readonly forMs: number;
  readonly everyMs: number;
  readonly kinds: readonly FaultKind[];
  readonly seed: number;
  readonly alertsPerSecond: number;
  readonly readingsPerSecond: number;
}

export interface ChaosModules {
  readonly signal: AbortSignal;
  /** Takes a line of progress. */
  readonly tell: (line: string) => void;
}

export type Ran =
  | { readonly ok: true; readonly verdict: ChaosReport; readonly run: Omit<Run, 'directory'> }
  | { readonly ok: false; readonly message: string };

const UP_LIMIT_MS = 30_000;
/** For pushes that still look for somebody who answers. */
const PUSH_LIMIT_MS = 30_000;
const SETTLE_LIMIT_MS = 90_000;
/** Faults and load draw from generators of their own, so that one does not move the other. */
const LOAD_SEED = 1;
const PORT_SEED = 2;

export async function runChaos(options: ChaosOptions, modules: ChaosModules): Promise<Ran> {
  const inbox = await Inbox.listen();
  const cluster = await Cluster.start({
    nodes: options.nodes,
    directory: options.directory,
    config: configText(inbox.url),
    // Two runs of one seed may be on one machine, and must not want the same ports.
    random: new SeededRandom(options.seed ^ process.pid ^ PORT_SEED),
  });
  try {
    return await new ChaosRun(options, modules, cluster, inbox).run();
  } finally {
    await cluster.close();
    inbox.close();
  }
}

class ChaosRun {
  readonly #options: ChaosOptions;
  readonly #signal: AbortSignal;
  readonly #cluster: Cluster;
  readonly #inbox: Inbox;
  readonly #say: (line: string) => void;
  readonly #beganMs = performance.now();

  constructor(
    options: ChaosOptions,
    { signal, tell }: ChaosModules,
    cluster: Cluster,
    inbox: Inbox,
  ) {
    this.#options = options;
    this.#signal = signal;
    this.#cluster = cluster;
    this.#inbox = inbox;
    this.#say = (line) => tell(`${clockText(performance.now() - this.#beganMs)}  ${line}`);
  }

  async run(): Promise<Ran> {
    const { nodes, seed } = this.#options;
    this.#say(`${nodes} nodes, seed ${seed}, in ${this.#options.directory}`);
    const notReady = await this.#bringUp();
    if (this.#signal.aborted) return { ok: false, message: 'ended before the cluster was up' };
    if (notReady.length > 0) {
      const names = notReady.join(', ');
      return { ok: false, message: `${names} did not get ready; see the logs of the members` };
    }
    const from = performance.now();
    const load = this.#load();
    const faults = await this.#faults(load);
    const to = performance.now();
    this.#say(this.#signal.aborted ? 'ends early: heals' : 'heals');
    this.#cluster.heal();
    await load.stop(PUSH_LIMIT_MS);
    const settledAt = await this.#cluster.untilSettled(SETTLE_LIMIT_MS);
    this.#say(settledAt === null ? 'does not come to rest' : `all agree at index ${settledAt}`);
    const listedAt = Date.now();
    const listed = await this.#listed();
    const index = settledAt ?? (await this.#lowestIndex());
    const late = await this.#cluster.stop();
    for (const name of late) this.#say(`${name} did not stop: killed`);
    const replayed = await this.#replays(index);
    const verdict = chaosReportOn({
      pushes: load.pushes,
      pages: this.#inbox.notifications,
      listed,
      listedAt,
      settledAt,
      terms: [...this.#cluster.leaders.keys()],
      faults,
      ownEnds: this.#cluster.ownEnds,
      replayed,
      loadMs: { from, to },
      readingsSent: load.readingsSent,
      leftOut: load.leftOut,
    });
    const tookMs = Math.round(performance.now() - this.#beganMs);
    return { ok: true, verdict, run: { nodes, seed, tookMs, index } };
  }

  /** Gives back the names of members that are not ready in time. */
  async #bringUp(): Promise<readonly string[]> {
    const { members, wires } = this.#cluster;
    if (wires === null && members.length > 1) {
      this.#say('no partitions: 127.0.0.2 is no address of this machine');
    }
    const ready = await Promise.all(
      members.map((member) => this.#cluster.untilReady(member, UP_LIMIT_MS, this.#signal)),
    );
    return members.filter((_, i) => ready[i] === false).map(({ name }) => name);
  }

  #load(): Load {
    const { alertsPerSecond, readingsPerSecond, seed } = this.#options;
    return new Load({
      alertsPerSecond,
      readingsPerSecond,
      targets: this.#cluster.members.map(({ place }) => place),
      random: new SeededRandom(seed ^ LOAD_SEED),
    });
  }

  /** Goes on until the time is over; gives back how many there were of each kind. */
  async #faults(load: Load): Promise<ReadonlyMap<FaultKind, number>> {
    const { everyMs, forMs, kinds: wanted, nodes, seed } = this.#options;
    const random = new SeededRandom(seed);
    const untilMs = performance.now() + forMs;
    // Not AbortSignal.timeout: Node 20 forgets one that only AbortSignal.any still refers to.
    const ending = new AbortController();
    const end = (): void => ending.abort();
    const timer = setTimeout(end, forMs);
    this.#signal.addEventListener('abort', end);
    if (this.#signal.aborted) end();
    const over = ending.signal;
    const tell = (line: string): void =>
      this.#say(`${line}  (${load.acknowledged} of ${load.pushes.length} acknowledged)`);
    const maker = new FaultMaker(this.#cluster, tell, over);
    const kinds = wanted.filter((kind) => this.#isPossible(kind));
    while (!over.aborted) {
      const pauseMs = Math.min(nextPauseMs(random, everyMs), untilMs - performance.now());
      await sleep(Math.max(0, pauseMs), undefined, { signal: over }).catch(() => undefined);
      if (!over.aborted) await maker.make(nextFault(random, kinds, nodes));
    }
    clearTimeout(timer);
    return maker.counts;
  }

  #isPossible(kind: FaultKind): boolean {
    return kind !== 'partition' || this.#cluster.wires !== null;
  }

  async #listed(): Promise<ReadonlyMap<string, ReadonlySet<string> | null>> {
    const listed = new Map<string, ReadonlySet<string> | null>();
    for (const member of this.#cluster.members) {
      listed.set(member.name, await this.#cluster.alertsOf(member, ALERT_LABEL));
    }
    return listed;
  }

  /** What all who answer have applied: the logs can at least be compared up to there. */
  async #lowestIndex(): Promise<number> {
    const statuses = await Promise.all(
      this.#cluster.members.map((member) => this.#cluster.statusOf(member)),
    );
    const indexes = statuses.flatMap((status) => (status === null ? [] : [status.appliedIndex]));
    return indexes.length === 0 ? 0 : Math.min(...indexes);
  }

  /** One after the other: each needs all of the state in memory. */
  async #replays(index: number): Promise<readonly Replayed[]> {
    const replayed: Replayed[] = [];
    for (const member of this.#cluster.members) {
      this.#say(`replays the log of ${member.name}`);
      replayed.push(await replayTo(index, member));
    }
    return replayed;
  }
}
