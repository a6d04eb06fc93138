/**
 * A real etcd (Debian's etcd-server) of one member on a free port, which a story may kill and start
 * again, and the nodes that meet there.
 */

import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Etcd3 } from 'etcd3';
import { onTestFinished } from 'vitest';
import type { Announced } from '../../src/io/discovery/address-book.ts';
import {
  openEtcdDiscovery,
  type EtcdDiscovery,
  type EtcdDiscoveryOptions,
} from '../../src/io/discovery/etcd-discovery.ts';
import type { Clock } from '../../src/io/ports.ts';
import { KeepingLogger, realClock } from '../monitors/world.ts';

export const hasEtcd = spawnSync('etcd', ['--version']).status === 0;

export interface EtcdFiles {
  readonly certificate: string;
  readonly key: string;
}

export class Etcd {
  readonly url: string;
  readonly #args: readonly string[];
  #process: ChildProcess | null = null;
  #client: Etcd3 | null = null;

  private constructor(url: string, args: readonly string[]) {
    this.url = url;
    this.#args = args;
  }

  /** Starts one that is gone after the test. With `tls` it listens for https only. */
  static async start(tls?: EtcdFiles): Promise<Etcd> {
    const etcd = await Etcd.unstarted(tls);
    await etcd.start();
    return etcd;
  }

  /** An address at which nothing listens yet. */
  static async unstarted(tls?: EtcdFiles): Promise<Etcd> {
    const folder = await mkdtemp(path.join(tmpdir(), 'tocsin-etcd-'));
    const [port, peerPort] = [await freePort(), await freePort()];
    const url = `${tls === undefined ? 'http' : 'https'}://localhost:${port}`;
    const peerUrl = `http://127.0.0.1:${peerPort}`;
    const listen = url.replace('localhost', '127.0.0.1');
    const flags = {
      name: 'e1',
      'data-dir': folder,
      'log-level': 'error',
      'listen-client-urls': listen,
      'advertise-client-urls': listen,
      'listen-peer-urls': peerUrl,
      'initial-advertise-peer-urls': peerUrl,
      'initial-cluster': `e1=${peerUrl}`,
      // With these it grants leases of one second; its default would be two.
      'heartbeat-interval': '20',
      'election-timeout': '200',
      ...(tls === undefined ? {} : { 'cert-file': tls.certificate, 'key-file': tls.key }),
    };
    const args = Object.entries(flags).map(([flag, value]) => `--${flag}=${value}`);
    const etcd = new Etcd(url, args);
    onTestFinished(async () => {
      await etcd.kill();
      etcd.#client?.close();
      await rm(folder, { recursive: true, force: true });
    });
    return etcd;
  }

  /** Starts it on the data that it left, and waits until it answers. */
  async start(): Promise<void> {
    const child = spawn('etcd', this.#args, { stdio: ['ignore', 'ignore', 'pipe'] });
    this.#process = child;
    let said = '';
    child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
    const port = Number(this.url.split(':').at(-1));
    await until(async () => {
      if (child.exitCode !== null) throw new Error(`etcd ended with ${child.exitCode}:\n${said}`);
      return answers(port);
    });
  }

  /** As by `kill -9`. */
  async kill(): Promise<void> {
    const child = this.#process;
    this.#process = null;
    if (child === null || child.exitCode !== null) return;
    const exit = once(child, 'exit');
    child.kill('SIGKILL');
    await exit;
  }

  /** SIGSTOP: connections stay, nothing answers. SIGCONT ends it. */
  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#process?.kill(signal);
  }

  /** Another client, to look and to lie. */
  get client(): Etcd3 {
    this.#client ??= new Etcd3({ hosts: this.url });
    return this.#client;
  }
}

/** Whether a port takes connections. */
async function answers(port: number): Promise<boolean> {
  const response = await fetch(`http://127.0.0.1:${port}/health`).catch((error: unknown) => error);
  if (response instanceof Response) return response.ok;
  // One that wants TLS says so to whoever speaks without it.
  return (response as { cause?: { code?: string } }).cause?.code !== 'ECONNREFUSED';
}

export async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** Waits until something holds. The limit is the test's own time-out. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 20));
}

/** A node at etcd. */
export interface Seeker {
  readonly discovery: EtcdDiscovery;
  readonly logger: KeepingLogger;
  /** Messages of at least `info`. */
  readonly said: () => readonly string[];
}

/** Opens discovery with a lease of one second, closed after the test. */
export async function seeker(
  urls: string,
  { clock = realClock, ...options }: Partial<EtcdDiscoveryOptions> & { clock?: Clock } = {},
): Promise<Seeker> {
  const logger = new KeepingLogger();
  const opened = await openEtcdDiscovery(
    { urls, cluster: 'tocsin', leaseSeconds: 1, ...options },
    { clock, logger },
  );
  if (!opened.ok) throw new Error(opened.message);
  const { discovery } = opened;
  onTestFinished(() => discovery.close());
  const said = () => logger.lines.map(({ message }) => message);
  return { discovery, logger, said };
}

/** Nobody gives up. */
export const patience = (): AbortSignal => new AbortController().signal;

export function node(number: number, changes: Partial<Announced> = {}): Announced {
  return {
    nodeId: `00000000-0000-4000-8000-00000000000${number}`,
    name: `n${number}`,
    peerAddress: `127.0.0.1:909${number}`,
    httpAddress: `127.0.0.1:808${number}`,
    ...changes,
  };
}
