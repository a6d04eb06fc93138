/** (g) Other people's programs, as Debian has them, on the same machine in the same run. */

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { Etcd3 } from 'etcd3';
import { freePort, inScratch, kill, launch, pause, until } from './process.ts';
import { measurePushes, type PushFigures } from './pushes.ts';

export function has(program: string): boolean {
  return spawnSync('sh', ['-c', `command -v ${program}`]).status === 0;
}

// -----------------------------------------------------------------------------------------------
// Alertmanager

const RECEIVER = `
route: {receiver: nobody, group_by: [alertname], group_wait: 30s}
receivers: [{name: nobody}]
`;

/** One node that keeps alerts in memory; null where it does not start. */
export function measureAlertmanager(ms: number): Promise<PushFigures | null> {
  return inScratch(async (folder) => {
    const config = path.join(folder, 'alertmanager.yml');
    await writeFile(config, RECEIVER);
    const address = `127.0.0.1:${await freePort()}`;
    const [program, ...args] = [
      ...withItsTemplates(),
      'prometheus-alertmanager',
      `--config.file=${config}`,
      `--storage.path=${folder}/data`,
      `--web.listen-address=${address}`,
      '--cluster.listen-address=',
      '--log.level=error',
    ];
    const child = launch(program, args, { stdio: 'ignore' });
    let isGone = false;
    child.once('error', () => (isGone = true));
    child.once('exit', () => (isGone = true));
    await until(async () => isGone || (await fetch(`http://${address}/-/ready`)).ok);
    if (isGone) return null;
    const figures = await measurePushes([`http://${address}`], ms);
    await kill(child);
    return figures;
  });
}

const TEMPLATES = '/usr/share/prometheus/alertmanager';

/**
 * It looks for its templates where its package would have installed them, and nothing is installed:
 * so it is shown the unpacked ones there, by a mount that nobody else sees.
 */
function withItsTemplates(): readonly string[] {
  const found = spawnSync('sh', ['-c', 'command -v prometheus-alertmanager'], { encoding: 'utf8' });
  const share = path.resolve(path.dirname(found.stdout.trim()), '../share');
  if (existsSync(TEMPLATES) || !existsSync(path.join(share, 'prometheus/alertmanager'))) return [];
  const mount = `mount -t overlay overlay -o lowerdir=${share}:/usr/share /usr/share`;
  return ['unshare', '--mount', '--map-root-user', 'sh', '-c', `${mount} && exec "$@"`, 'sh'];
}

// -----------------------------------------------------------------------------------------------
// etcd

export interface EtcdFigures {
  readonly putsPerSecond: number;
  /** Puts whose value is as large as the readings that Tocsin has in an entry. */
  readonly largePutsPerSecond: number;
}

const SMALL_BYTES = 32;
export const READINGS_PER_PUT = 4_096;
const READING_BYTES = 12;
const PUTS_AT_ONCE = 256;
const LARGE_PUTS_AT_ONCE = 16;

/** Three members with their defaults: every put is synced on a majority. */
export function measureEtcd(ms: number): Promise<EtcdFigures> {
  return inScratch(async (folder) => {
    const members = await Promise.all(
      ['e1', 'e2', 'e3'].map(async (name) => ({
        name,
        client: `http://127.0.0.1:${await freePort()}`,
        peer: `http://127.0.0.1:${await freePort()}`,
      })),
    );
    const all = members.map(({ name, peer }) => `${name}=${peer}`).join(',');
    const children = members.map(({ name, client, peer }) =>
      launch(
        'etcd',
        [
          `--name=${name}`,
          `--data-dir=${path.join(folder, name)}`,
          '--log-level=error',
          `--listen-client-urls=${client}`,
          `--advertise-client-urls=${client}`,
          `--listen-peer-urls=${peer}`,
          `--initial-advertise-peer-urls=${peer}`,
          `--initial-cluster=${all}`,
        ],
        { stdio: 'ignore' },
      ),
    );
    for (const { client } of members) await until(async () => (await fetch(`${client}/health`)).ok);
    const urls = members.map(({ client }) => client);
    const putsPerSecond = await puts(urls, SMALL_BYTES, PUTS_AT_ONCE, ms);
    const largeBytes = READINGS_PER_PUT * READING_BYTES;
    const largePutsPerSecond = await puts(urls, largeBytes, LARGE_PUTS_AT_ONCE, ms);
    await Promise.all(children.map((child) => kill(child)));
    return { putsPerSecond, largePutsPerSecond };
  });
}

async function puts(
  urls: readonly string[],
  bytes: number,
  atOnce: number,
  ms: number,
): Promise<number> {
  const clients = urls.map((hosts) => new Etcd3({ hosts }));
  const value = Buffer.alloc(bytes, 'x');
  let done = 0;
  const startedAtMs = performance.now();
  const writer = async (i: number): Promise<void> => {
    const client = clients[i % clients.length];
    for (let n = 0; client !== undefined && performance.now() < startedAtMs + ms; n++) {
      await client.put(`bench/${i}/${n % 100}`).value(value);
      done++;
    }
  };
  await Promise.all(Array.from({ length: atOnce }, (_, i) => writer(i)));
  const seconds = (performance.now() - startedAtMs) / 1_000;
  for (const client of clients) client.close();
  return done / seconds;
}

// -----------------------------------------------------------------------------------------------
// PySyncObj

/** Tries of a second between these bounds; a rate holds when nine of ten commands get through. */
const RATE = { min: 1_000, max: 64_000 };

export function hasPySyncObj(): boolean {
  return spawnSync('python3', ['-c', 'import pysyncobj']).status === 0;
}

/** The rate of commands that three nodes in memory keep up with, found as its own benchmark does. */
export async function measurePySyncObj(tries: number, seconds: number): Promise<number> {
  let { min, max } = RATE;
  for (let i = 0; i < tries; i++) {
    const rate = Math.round(Math.sqrt(min * max));
    if (await keepsUp(rate, seconds)) min = rate;
    else max = rate;
  }
  return min;
}

async function keepsUp(rate: number, seconds: number): Promise<boolean> {
  const ports = [await freePort(), await freePort(), await freePort()];
  const addresses = ports.map((port) => `127.0.0.1:${port}`);
  const program = path.resolve(process.cwd(), 'bench/cluster/pysyncobj-node.py');
  const shares = await Promise.all(
    addresses.map(async (self) => {
      const others = addresses.filter((address) => address !== self);
      const args = [program, String(Math.round(rate / 3)), String(seconds), self, ...others];
      const child = launch('python3', args, { stdio: ['ignore', 'pipe', 'inherit'] });
      let said = '';
      child.stdout?.on('data', (chunk: Buffer) => (said += chunk.toString()));
      await new Promise((resolve) => {
        child.once('close', resolve);
      });
      return Number(said);
    }),
  );
  await pause(200);
  return shares.every((share) => share >= 0.9);
}
