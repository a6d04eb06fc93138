/** Three real nodes of Tocsin as one cluster: each a process with its own disk, as people run them. */

import type { ChildProcess } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { kill, launch, until } from './process.ts';

const MAIN = path.resolve(process.cwd(), 'dist/io/cli/main.js');

interface Addresses {
  readonly http: string;
  readonly peer: string;
  readonly carbon: string;
}

export class Member {
  readonly name: string;
  readonly child: ChildProcess;
  readonly addresses: Addresses;

  constructor(name: string, child: ChildProcess, addresses: Addresses) {
    this.name = name;
    this.child = child;
    this.addresses = addresses;
  }

  get url(): string {
    return `http://${this.addresses.http}`;
  }

  /** The sum of a metric over its labels. */
  async metric(name: string): Promise<number> {
    const text = await (await fetch(`${this.url}/metrics`)).text();
    let sum = 0;
    for (const line of text.split('\n')) {
      if (!line.startsWith(name)) continue;
      const next = line[name.length];
      if (next === ' ' || next === '{') sum += Number(line.slice(line.lastIndexOf(' ') + 1));
    }
    return sum;
  }

  async status(): Promise<{ readonly role: string; readonly ready: boolean }> {
    const answer = await fetch(`${this.url}/tocsin/v1/status`);
    return (await answer.json()) as { role: string; ready: boolean };
  }

  async voters(): Promise<number> {
    const members = (await (await fetch(`${this.url}/tocsin/v1/members`)).json()) as {
      role: string;
    }[];
    return members.filter(({ role }) => role === 'leader' || role === 'follower').length;
  }
}

export interface NodeFiles {
  readonly folder: string;
  readonly config: string;
}

/** Starts a node and waits for its `listening` line. Without addresses it takes free ports. */
export async function startNode(
  { folder, config }: NodeFiles,
  name: string,
  flags: readonly string[],
  at: Addresses = { http: '127.0.0.1:0', peer: '127.0.0.1:0', carbon: '127.0.0.1:0' },
): Promise<Member> {
  const { http, peer, carbon } = at;
  const where = ['--http', http, '--peer', peer, '--carbon', carbon];
  const what = ['--config', config, '--data-dir', path.join(folder, name), '--name', name];
  // For looking into what a node does: `TOCSIN_BENCH_NODE_FLAGS=--cpu-prof`.
  const own = (process.env['TOCSIN_BENCH_NODE_FLAGS'] ?? '').split(' ').filter(Boolean);
  const args = [...own, MAIN, 'start', ...what, ...where, ...flags];
  const child = launch(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  const said: string[] = [];
  const addresses = await new Promise<Addresses>((resolve, reject) => {
    createInterface({ input: child.stderr as NodeJS.ReadableStream }).on('line', (line) => {
      said.push(line);
      if (said.length > 20) said.shift();
      if (line.includes('"msg":"listening"')) resolve(JSON.parse(line) as Addresses);
    });
    child.once('exit', (code) =>
      reject(new Error(`${name} ended with ${code}\n${said.join('\n')}`)),
    );
  });
  return new Member(name, child, addresses);
}

export class Cluster {
  members: readonly Member[];
  readonly #files: NodeFiles;

  private constructor(files: NodeFiles, members: readonly Member[]) {
    this.#files = files;
    this.members = members;
  }

  /** Starts three in `folder`; when it resolves, all of them vote and are ready. */
  static async start(folder: string, configuration: string): Promise<Cluster> {
    const config = path.join(folder, 'tocsin.yml');
    await writeFile(config, configuration);
    const files = { folder, config };
    const first = await startNode(files, 'n1', []);
    const join = ['--join', first.addresses.peer];
    const others = [await startNode(files, 'n2', join), await startNode(files, 'n3', join)];
    const cluster = new Cluster(files, [first, ...others]);
    await cluster.together();
    return cluster;
  }

  async together(): Promise<void> {
    for (const member of this.members) {
      await until(async () => (await member.status()).ready);
      await until(async () => (await member.voters()) === this.members.length);
    }
  }

  async leader(): Promise<Member> {
    for (;;) {
      for (const member of this.members) {
        const { role, ready } = await member.status().catch(() => ({ role: '', ready: false }));
        if (role === 'leader' && ready) return member;
      }
    }
  }

  /** Starts a member that was killed, at the addresses that it had. */
  async restart(dead: Member): Promise<void> {
    const living = this.members.filter((member) => member !== dead);
    const join = ['--join', living.map(({ addresses }) => addresses.peer).join(',')];
    const member = await startNode(this.#files, dead.name, join, dead.addresses);
    this.members = this.members.map((each) => (each === dead ? member : each));
  }

  /** A metric of each member, in their order. */
  metrics(name: string): Promise<readonly number[]> {
    return Promise.all(this.members.map((member) => member.metric(name)));
  }

  async stop(): Promise<void> {
    await Promise.all(this.members.map(({ child }) => kill(child)));
  }
}
