/**
 * Applies the actions of a schedule to a simulated cluster, and brings hosts back afterwards.
 *
 * Promise: whatever it does, the cluster could survive it: entries, or the snapshots that stand for
 * them, are destroyed on one member at a time, and only while all the others hold theirs, since no
 * replication survives the loss of a majority of disks. Builds change by what people are told they may
 * do. Everything else may happen at once.
 */

import { members } from '../../raft/confchange.ts';
import { DESCRIPTORS, type Host, type SimulatedCluster } from './cluster.ts';
import { FAIR_WEATHER } from './network.ts';
import { PutBack } from './put-back.ts';
import type { Way } from './receivers.ts';
import { GRAY_ACTIONS, type Action, type ActionKind } from './schedule.ts';
import type { Coverage } from './coverage.ts';

export interface FaultsModules {
  readonly cluster: SimulatedCluster;
  readonly note: (line: string) => void;
  readonly coverage: Coverage;
}

/** Who asks for what people ask for. */
const OPERATOR = { kind: 'user', name: 'operator' } as const;

const NAMES = ['n1', 'n2', 'n3', 'n4', 'n5'];
const HOSTS_MIN = 3;
/** Of the leaps of a clock those that were to last for longer last ten times as long. */
const LASTING_MS = 3_000;
/** Gray faults last so many times longer than others: what is noticed within seconds must be over by itself. */
const GRAY_FACTOR = 5;
/** A process that got a request to stop is killed when it has not ended by then. */
const STOP_WITHIN_MS = 10_000;

export class Faults {
  readonly #modules: FaultsModules;
  /** Hosts that stay down until this time. */
  readonly #downUntil = new Map<string, number>();
  readonly #joining = new Set<string>();
  /** New machines that wait for one another. */
  readonly #together = new Set<string>();
  /** Nodes that somebody has asked to remove, by host: whether that was done is seen later. */
  readonly #leaving = new Map<Host, string>();
  readonly #putBack: PutBack;
  #isOver = false;
  /** Until then one clock is wrong. */
  #clocksRightAtMs = 0;

  constructor(modules: FaultsModules) {
    this.#modules = modules;
    this.#putBack = new PutBack({
      ...modules,
      stayDown: (host, ms) => this.#stayDown(host, ms),
    });
  }

  strike(action: Action): void {
    if (this.#isOver || this.#putBack.isUnderWay) return;
    const host = this.#choose(action);
    if (host === undefined) return;
    const done = this.#carryOut(action, host);
    if (!done) return;
    this.#modules.coverage.count(`fault: ${action.kind}`);
    this.#modules.note(`fault: ${action.kind} ${host.name} for ${action.lastsMs} ms`);
  }

  /** From here on everything works. */
  end(): void {
    this.#isOver = true;
    const { cluster } = this.#modules;
    cluster.network.heal();
    cluster.network.weather = FAIR_WEATHER;
    this.#downUntil.clear();
    this.#together.clear();
    for (const host of cluster.hosts.values()) {
      host.trouble = {};
      host.way = 'open';
      host.descriptorsFree = DESCRIPTORS;
      host.clock.setWall(cluster.wallMs());
    }
  }

  /** Starts the process of a host that has none; asks for admission first where that is needed. */
  revive(host: Host): void {
    const { cluster } = this.#modules;
    const { process } = host;
    if (process !== null && process.failures.length > 0) cluster.kill(host);
    if (host.process !== null || host.isStarting) return;
    if ((this.#downUntil.get(host.name) ?? 0) > cluster.time.nowMs) return;
    if (host.isAdmitted) void cluster.boot(host);
    else void this.#join(host);
  }

  async #join(host: Host): Promise<void> {
    if (this.#joining.has(host.name)) return;
    const { cluster } = this.#modules;
    const through = cluster.living().find(({ name }) => name !== host.name);
    if (through === undefined) return;
    this.#joining.add(host.name);
    // The member that was asked may die and never answer.
    const patience = new Promise<void>((resolve) => void cluster.time.after(12_000, resolve));
    await Promise.race([cluster.admit(host, through), patience]);
    this.#joining.delete(host.name);
    this.#startTogether();
  }

  /** Switches those machines off whose node the cluster has let go, whatever its answer was. */
  switchOff(): void {
    const { cluster, note } = this.#modules;
    const all = cluster.living().map(({ process }) => process?.node.raftStatus());
    const leader = all.find((raft) => raft?.role === 'leader' && raft.configCommitted);
    for (const [host, nodeId] of this.#leaving) {
      if (leader === undefined || members(leader.config.confState).includes(nodeId)) continue;
      this.#leaving.delete(host);
      // A disk that was wiped meanwhile is that of another node.
      if (host.nodeId !== nodeId) continue;
      note(`${host.name} is out`);
      cluster.removeHost(host);
    }
  }

  /** After the faults: an upgrade that was begun is brought to its end, one host after the other. */
  upgradeRest(): void {
    const { cluster, note } = this.#modules;
    const hosts = [...cluster.hosts.values()];
    if (!this.#isOver || cluster.isUpgraded()) return;
    if (!hosts.every(({ process }) => process?.node.ready() === true)) return;
    const build = Math.min(...hosts.map((host) => host.build));
    const host = hosts.find((each) => each.build === build);
    if (host === undefined) return;
    note(`${host.name} is upgraded`);
    cluster.kill(host);
    cluster.install(host, build + 1);
  }

  /** Machines that were bought together start together, once all of them are admitted. */
  #startTogether(): void {
    const { cluster } = this.#modules;
    const group = [...this.#together].map((name) => cluster.hosts.get(name));
    if (!this.#isOver && group.some((host) => host?.isAdmitted === false)) {
      for (const host of group) if (host?.isAdmitted === true) this.#stayDown(host, 60_000);
      return;
    }
    for (const name of this.#together) this.#downUntil.delete(name);
    this.#together.clear();
  }

  #carryOut(action: Action, host: Host): boolean {
    const { cluster } = this.#modules;
    const { how, lastsMs } = action;
    switch (action.kind) {
      case 'kill':
        cluster.kill(host);
        return this.#stayDown(host, lastsMs);
      case 'power cut':
        cluster.powerCut(host, { kind: 'random', seed: Math.floor(how * 1e9) });
        return this.#stayDown(host, lastsMs);
      case 'all lose power':
        for (const each of cluster.hosts.values()) {
          cluster.powerCut(each, { kind: 'random', seed: Math.floor(how * 1e9) });
          this.#stayDown(each, lastsMs);
        }
        return true;
      case 'crash at a write':
        return this.#crashAtWrite(host, how, lastsMs);
      case 'freeze':
        host.clock.freeze(lastsMs);
        return true;
      case 'clock step':
        return this.#stepClock(host, how, lastsMs);
      case 'partition':
        return this.#partition(host, lastsMs);
      case 'one way cut':
        return this.#oneWay(host, how, lastsMs);
      case 'bridge partition':
        return this.#bridge(host, lastsMs);
      case 'bad weather':
        return this.#badWeather(how, lastsMs);
      case 'slow disk':
        return this.#slowDisk(host, 20 + how * 1_500, lastsMs);
      case 'disk error':
        return this.#diskError(host, how);
      case 'bit rot':
        return this.#rot(host, how, lastsMs);
      case 'wipe':
        return this.#wipe(host, lastsMs);
      case 'grow':
        return this.#grow(how);
      case 'shrink':
        return this.#shrink(host);
      case 'transfer':
        return this.#transfer();
      case 'upgrade':
        return this.#replaceBuild(host, host.build + 1, action);
      case 'downgrade':
        return this.#replaceBuild(host, host.build - 1, action);
      case 'snapshot rot':
        return this.#rotSnapshot(host, how, lastsMs);
      case 'put back':
        return this.#mayDestroy(host) && this.#putBack.begin(host, how, lastsMs);
      case 'lost egress':
        return this.#loseEgress(host, how < 0.5 ? 'lost' : 'refused', lastsMs);
      case 'slow syncs':
        return this.#slowDisk(host, 300 + how * 1_500, GRAY_FACTOR * lastsMs);
      case 'descriptors gone':
        // Connections to members are there already; a new one to a receiver fails at once.
        host.descriptorsFree = 0;
        this.#later(GRAY_FACTOR * lastsMs, () => (host.descriptorsFree = DESCRIPTORS));
        return this.#loseEgress(host, 'refused', lastsMs);
    }
  }

  #loseEgress(host: Host, way: Way, lastsMs: number): boolean {
    host.way = way;
    this.#later(GRAY_FACTOR * lastsMs, () => (host.way = 'open'));
    return true;
  }

  #choose({ kind, who }: Action): Host | undefined {
    const hosts = this.#candidates(kind);
    return hosts[Math.floor(who * hosts.length)];
  }

  /** All hosts, or those on which the action makes sense, or matters most. */
  #candidates(kind: Action['kind']): readonly Host[] {
    const { cluster } = this.#modules;
    const hosts = [...cluster.hosts.values()];
    if (kind === 'upgrade') return hosts.filter((host) => cluster.mayInstall(host, host.build + 1));
    if (kind === 'downgrade') {
      return hosts.filter((host) => cluster.mayInstall(host, host.build - 1));
    }
    if (kind === 'put back') {
      return hosts.filter(({ process }) => process?.node.isServing() === false);
    }
    if ((GRAY_ACTIONS as readonly ActionKind[]).includes(kind)) {
      // They matter on a leader; elsewhere they make a bad successor.
      const leaders = hosts.filter(({ process }) => process?.node.isServing() === true);
      return [...leaders, ...leaders, ...hosts];
    }
    if (kind !== 'snapshot rot') return hosts;
    const based = hosts.filter(({ process }) => process !== null && process.log.firstIndex > 1);
    return based.length > 0 ? based : hosts;
  }

  #stayDown(host: Host, ms: number): boolean {
    this.#downUntil.set(host.name, this.#modules.cluster.time.nowMs + ms);
    return true;
  }

  #later(ms: number, run: () => void): void {
    this.#modules.cluster.time.after(ms, () => {
      if (!this.#isOver) run();
    });
  }

  /** The power fails in the middle of one of the next writes. */
  #crashAtWrite(host: Host, how: number, lastsMs: number): boolean {
    if (host.process === null) return false;
    let left = 1 + Math.floor(how * 40);
    const { clock, disk, witnessDisk } = host;
    host.trouble = {
      fault: ({ kind }) => {
        if (kind !== 'list' && kind !== 'read' && kind !== 'size') left--;
        return left === 0 ? { kind: 'power-off' } : undefined;
      },
    };
    void Promise.race([disk.whenOff, witnessDisk.whenOff]).then(() => {
      if (host.clock !== clock) return;
      this.#modules.cluster.powerCut(host, { kind: 'random', seed: Math.floor(how * 1e9) });
      this.#stayDown(host, lastsMs);
    });
    return true;
  }

  /**
   * One clock leaps, by a tenth of a second or by a year, for a moment or for longer than a leap is
   * doubted. One at a time, and of at least three: of two clocks nobody can say which one is right.
   */
  #stepClock(host: Host, how: number, lastsMs: number): boolean {
    const { cluster } = this.#modules;
    const { time } = cluster;
    if (time.nowMs < this.#clocksRightAtMs || !cluster.hasMajorityOfClocks()) return false;
    const size = 100 * 10 ** (Math.abs(how - 0.5) * 17);
    const ms = Math.round(how < 0.5 ? -size : size);
    const isLasting = lastsMs > LASTING_MS;
    this.#modules.coverage.count(
      isLasting ? 'clock wrong for a long time' : 'clock wrong for a short time',
    );
    const rightAtMs = time.nowMs + (isLasting ? 10 * lastsMs : lastsMs);
    this.#clocksRightAtMs = rightAtMs;
    host.clock.stepWall(ms);
    this.#later(rightAtMs - time.nowMs, () => host.clock.setWall(cluster.wallMs()));
    return true;
  }

  #others(host: Host): readonly Host[] {
    return [...this.#modules.cluster.hosts.values()].filter((each) => each !== host);
  }

  #partition(host: Host, lastsMs: number): boolean {
    const { network } = this.#modules.cluster;
    network.partition(
      [host.nodeId],
      this.#others(host).map(({ nodeId }) => nodeId),
    );
    this.#later(lastsMs, () => network.heal());
    return true;
  }

  #oneWay(host: Host, how: number, lastsMs: number): boolean {
    const { network } = this.#modules.cluster;
    for (const { nodeId } of this.#others(host)) {
      if (how < 0.5) network.cut(host.nodeId, nodeId);
      else network.cut(nodeId, host.nodeId);
    }
    this.#later(lastsMs, () => network.heal());
    return true;
  }

  /** All reach the one host, and none of the others each other. */
  #bridge(host: Host, lastsMs: number): boolean {
    const { network } = this.#modules.cluster;
    const others = this.#others(host).map(({ nodeId }) => nodeId);
    for (const a of others) for (const b of others) if (a !== b) network.cut(a, b);
    this.#later(lastsMs, () => network.heal());
    return true;
  }

  #badWeather(how: number, lastsMs: number): boolean {
    const { network } = this.#modules.cluster;
    network.weather = {
      delayMsMin: 1,
      delayMsMax: 5 + how * 400,
      lossShare: how * 0.3,
      doubledShare: (1 - how) * 0.3,
    };
    this.#later(lastsMs, () => {
      network.weather = FAIR_WEATHER;
    });
    return true;
  }

  #slowDisk(host: Host, takesMs: number, lastsMs: number): boolean {
    if (host.process === null) return false;
    host.trouble = { takesMs: ({ kind }) => (kind === 'sync' ? takesMs : 0) };
    const { clock } = host;
    this.#later(lastsMs, () => {
      if (host.clock === clock) host.trouble = {};
    });
    return true;
  }

  #diskError(host: Host, how: number): boolean {
    if (host.process === null) return false;
    let left = 1 + Math.floor(how * 20);
    host.trouble = {
      fault: ({ kind }) => {
        if (kind !== 'write' && kind !== 'sync') return undefined;
        left--;
        if (left !== 0) return undefined;
        return { kind: 'error', code: how < 0.5 ? 'ENOSPC' : 'EIO', bytesWritten: 7 };
      },
    };
    return true;
  }

  /** A bit of the log flips while the process is down. Its vote record is another file. */
  #rot(host: Host, how: number, lastsMs: number): boolean {
    if (!this.#mayDestroy(host)) return false;
    const { cluster } = this.#modules;
    cluster.kill(host);
    const files = [...host.disk.files()].filter(([name, bytes]) => {
      return name.endsWith('.log') && !name.startsWith('damaged-') && bytes.length > 0;
    });
    const [name, bytes] = files[Math.floor(how * files.length)] ?? [];
    if (name === undefined || bytes === undefined) return false;
    host.disk.flipBit(name, Math.floor(((how * 7_919) % 1) * bytes.length), Math.floor(how * 8));
    return this.#stayDown(host, lastsMs / 4);
  }

  /**
   * A bit of a snapshot flips while the process is down, most often of the newest one. Where the log
   * begins after it, nothing on this disk can take its place.
   */
  #rotSnapshot(host: Host, how: number, lastsMs: number): boolean {
    const { snapshots } = host;
    const indexes = snapshots.indexes();
    const index = indexes[Math.floor(how ** 2 * indexes.length)];
    if (index === undefined || !this.#mayDestroy(host)) return false;
    this.#modules.cluster.kill(host);
    const pages = snapshots.pagesOf(index);
    // One in four hits the manifest, which comes before the pages.
    const place = ((how * 7_919) % 1) * 4 - 1;
    const page = place < 0 ? undefined : pages[Math.floor((place / 3) * pages.length)];
    const at = (how * 104_729) % 1;
    if (page === undefined) snapshots.flipBitOfManifest(index, at);
    else snapshots.flipBitOfPage(page, at);
    return this.#stayDown(host, lastsMs / 4);
  }

  /** The process is stopped in order, or is killed, and the next one is of another build. */
  #replaceBuild(host: Host, build: number, { how, lastsMs }: Action): boolean {
    const { cluster } = this.#modules;
    const { clock, process } = host;
    const replace = (): void => {
      // Whoever ended the process meanwhile knew nothing of this.
      if (clock.isKilled) return;
      if (this.#putBack.isUnderWay) {
        cluster.time.after(STOP_WITHIN_MS, replace);
        return;
      }
      cluster.kill(host);
      if (cluster.mayInstall(host, build)) cluster.install(host, build);
      this.#stayDown(host, lastsMs / 8);
    };
    if (process === null || how < 0.5) {
      replace();
    } else {
      void process.node.stop().then(replace, replace);
      cluster.time.after(STOP_WITHIN_MS, replace);
    }
    return true;
  }

  #wipe(host: Host, lastsMs: number): boolean {
    if (!this.#mayDestroy(host)) return false;
    this.#modules.cluster.wipe(host);
    return this.#stayDown(host, lastsMs / 4);
  }

  /** Only while every member is a voter that votes, has all that is committed, and the last is back. */
  #mayDestroy(host: Host): boolean {
    const { cluster } = this.#modules;
    const hosts = [...cluster.hosts.values()];
    if (hosts.length < HOSTS_MIN || !host.hasOthers) return false;
    const raft = hosts.map(({ process }) => process?.node.raftStatus());
    const leader = raft.find((status) => status?.role === 'leader');
    if (leader === undefined || leader.config.confState.votersOutgoing.length > 0) return false;
    const { voters } = leader.config.confState;
    const isWhole = hosts.every(({ nodeId }, i) => {
      const status = raft[i];
      if (status === undefined || status.damaged || !voters.includes(nodeId)) return false;
      return status.durableIndex >= leader.commitIndex && status.term === leader.term;
    });
    return isWhole && voters.length === hosts.length && leader.configCommitted;
  }

  /** One more machine, or two at once: those become voters through a joint configuration. */
  #grow(how: number): boolean {
    const { cluster } = this.#modules;
    const free = NAMES.filter((name) => !cluster.hosts.has(name));
    const names = free.slice(0, how < 0.5 ? 1 : 2);
    for (const name of names) {
      cluster.addHost(name);
      if (names.length > 1) this.#together.add(name);
    }
    return names.length > 0;
  }

  /** A member is taken out in order, through whoever is asked, and its machine is switched off. */
  #shrink(host: Host): boolean {
    const { cluster } = this.#modules;
    if (cluster.hosts.size <= HOSTS_MIN || host.founds || !this.#mayDestroy(host)) return false;
    const [through] = cluster.living().filter((each) => each !== host);
    const node = through?.process?.node;
    if (node === undefined) return false;
    void node.changeMembership({ op: 'remove', node: host.nodeId, actor: OPERATOR });
    this.#leaving.set(host, host.nodeId);
    return true;
  }

  #transfer(): boolean {
    const [host] = this.#modules.cluster
      .living()
      .filter(({ process }) => process?.node.isServing());
    const node = host?.process?.node;
    if (node === undefined) return false;
    void node.changeMembership({ op: 'transfer', node: null, actor: OPERATOR });
    return true;
  }
}
