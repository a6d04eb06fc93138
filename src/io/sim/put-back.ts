/**
 * Somebody puts files of a member back from an older copy, at the worst of times: when its vote would
 * make a member leader that lacks what the others have committed.
 *
 * The copy is made while all is well. Then as many members are cut off as the cluster can spare, and the
 * rest goes on; at last one of the rest gets its files back, and hears both sides. Promise: whoever
 * remembers the member runs and is heard until the member has had time to find out; so nothing that was
 * acknowledged may be lost, and no other fault strikes meanwhile.
 */

import { FOLDER_PARTS, type FolderCopy, type FolderPart } from './cluster.ts';
import type { Host, SimulatedCluster } from './cluster.ts';
import { buildAt } from './builds.ts';
import { FAIR_WEATHER } from './network.ts';
import type { Coverage } from './coverage.ts';

export interface PutBackModules {
  readonly cluster: SimulatedCluster;
  readonly note: (line: string) => void;
  readonly coverage: Coverage;
  /** The process of a host is started again after so long. */
  readonly stayDown: (host: Host, ms: number) => void;
}

/** The parts that come from the copy; a whole folder has all its witnesses with it, so it comes often. */
const CHOICES: readonly (readonly FolderPart[])[] = [
  FOLDER_PARTS,
  FOLDER_PARTS,
  FOLDER_PARTS,
  ['log', 'ballot'],
  ['log'],
  ['ballot'],
  ['acknowledged'],
  ['snapshots'],
];
/** The build that remembers what others held. */
const REMEMBERS = 2;
/** Between the copy and its return something is to be acknowledged. */
const WORK_MS_MIN = 1_500;
/** A leader that lacks this member's word for longer than an election timeout leads no more. */
const DOWN_MS_MAX = 5_000;
/** For the process to start, to ask, and to stand for election. */
const FIND_OUT_MS = 4_000;

export class PutBack {
  readonly #modules: PutBackModules;
  #isUnderWay = false;

  constructor(modules: PutBackModules) {
    this.#modules = modules;
  }

  /** No other fault may strike. */
  get isUnderWay(): boolean {
    return this.#isUnderWay;
  }

  /** `host` is to get its files back, of a cluster in which all is well. */
  begin(host: Host, how: number, lastsMs: number): boolean {
    const { cluster } = this.#modules;
    const { network, time } = cluster;
    const others = [...cluster.hosts.values()].filter((each) => each !== host);
    const leader = others.find(({ process }) => process?.node.isServing() === true);
    if (leader === undefined) return false;
    this.#isUnderWay = true;
    this.#makeFair();
    const spare = Math.floor((cluster.hosts.size - 1) / 2);
    const cutOff = others.filter((each) => each !== leader).slice(0, spare);
    const copy = cluster.copyOf(host);
    const rest = [...cluster.hosts.values()].filter((each) => !cutOff.includes(each));
    network.partition(idsOf(cutOff), idsOf(rest));
    time.after(WORK_MS_MIN + lastsMs, () => this.#return(host, copy, { cutOff, how }));
    return true;
  }

  #return(
    host: Host,
    copy: FolderCopy,
    { cutOff, how }: { readonly cutOff: readonly Host[]; readonly how: number },
  ): void {
    const { cluster, note, coverage } = this.#modules;
    this.#makeFair();
    if (!this.#mayReturn(host, copy)) {
      note(`nothing is put back on ${host.name}`);
      this.#isUnderWay = false;
      return;
    }
    const parts = this.#partsOf(how);
    coverage.count(
      parts === FOLDER_PARTS ? 'put back: the whole directory' : 'put back: a part of a directory',
    );
    note(`put back on ${host.name}: ${parts.join(' ')}`);
    cluster.putBack(host, copy, parts);
    const downMs = ((how * 7_919) % 1) * DOWN_MS_MAX;
    this.#modules.stayDown(host, downMs);
    const rest = [...cluster.hosts.values()].filter(
      (each) => each !== host && !cutOff.includes(each),
    );
    cluster.network.partition(idsOf(cutOff), idsOf(rest));
    cluster.time.after(downMs + FIND_OUT_MS, () => {
      cluster.network.heal();
      this.#isUnderWay = false;
    });
  }

  /** Everybody else runs and remembers, and this node has told its leader what it holds. */
  #mayReturn(host: Host, { nodeId }: FolderCopy): boolean {
    const hosts = [...this.#modules.cluster.hosts.values()];
    const isSound = hosts.every(({ clock, process }) => {
      const isRunning = process?.failures.length === 0 && !clock.isFrozen;
      return isRunning && !process.node.raftStatus().damaged;
    });
    const isLed = hosts.some((each) => each !== host && each.process?.node.isServing() === true);
    return isSound && isLed && hosts.includes(host) && host.nodeId === nodeId;
  }

  #partsOf(how: number): readonly FolderPart[] {
    const hosts = [...this.#modules.cluster.hosts.values()];
    const remember = hosts.every(({ build }) => buildAt(build).framesLevel >= REMEMBERS);
    const choices = remember ? CHOICES : CHOICES.filter((parts) => parts !== FOLDER_PARTS);
    return choices[Math.floor(how * choices.length)] ?? FOLDER_PARTS;
  }

  /** Faults that are under way end. */
  #makeFair(): void {
    const { cluster } = this.#modules;
    cluster.network.heal();
    cluster.network.weather = FAIR_WEATHER;
    for (const host of cluster.hosts.values()) host.trouble = {};
  }
}

function idsOf(hosts: readonly Host[]): readonly string[] {
  return hosts.map(({ nodeId }) => nodeId);
}
