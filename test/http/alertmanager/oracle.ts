/** The real Alertmanager, as Debian has it, and plain requests whose every byte is ours. */

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { Agent, request as httpRequest, type IncomingMessage } from 'node:http';
import { createServer, type AddressInfo } from 'node:net';
import path from 'node:path';
import { onTestFinished } from 'vitest';
import { scratch, until } from '../../blackbox/program.ts';

const PROGRAM = 'prometheus-alertmanager';
/** Where its package would have put its templates; it does not start without them. */
const TEMPLATES = '/usr/share/prometheus/alertmanager';

/** Starts it on a free port; null where it is not, or does not start. */
export async function startAlertmanager(config: string): Promise<string | null> {
  const found = spawnSync('sh', ['-c', `command -v ${PROGRAM}`], { encoding: 'utf8' });
  if (found.status !== 0) return null;
  const folder = await scratch();
  await writeFile(`${folder}/alertmanager.yml`, config);
  const address = `127.0.0.1:${await freePort()}`;
  const [program, ...args] = [
    ...shownTemplates(path.resolve(path.dirname(found.stdout.trim()), '../share')),
    PROGRAM,
    `--config.file=${folder}/alertmanager.yml`,
    `--storage.path=${folder}/data`,
    `--web.listen-address=${address}`,
    '--cluster.listen-address=',
    '--log.level=error',
  ] as const;
  const child = spawn(program ?? PROGRAM, args, { stdio: 'ignore' });
  onTestFinished(() => void child.kill('SIGKILL'));
  let isGone = false;
  child.once('error', () => (isGone = true));
  child.once('exit', () => (isGone = true));
  const isReady = () =>
    fetch(`http://${address}/-/ready`).then(
      ({ ok }) => ok,
      () => false,
    );
  await until(async () => isGone || (await isReady()));
  return isGone ? null : address;
}

/** It is shown the unpacked templates by a mount that nobody else sees. */
function shownTemplates(share: string): readonly string[] {
  if (existsSync(TEMPLATES) || !existsSync(`${share}/prometheus/alertmanager`)) return [];
  const mount = `mount -t overlay overlay -o lowerdir=${share}:/usr/share /usr/share`;
  return ['unshare', '--mount', '--map-root-user', 'sh', '-c', `${mount} && exec "$@"`, 'sh'];
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

export interface Sent {
  readonly method: string;
  /** As it stands in the request line. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array | null;
}

export interface Answered {
  /** 0 when the connection was closed without an answer. */
  readonly status: number;
  readonly location: string;
  readonly text: string;
}

const agent = new Agent({ keepAlive: true });

/** Sends what is given, unlike `fetch`, which tidies the path up and adds headers. */
export async function send(
  address: string,
  { method, path: target, headers, body }: Sent,
): Promise<Answered> {
  const [host, port] = address.split(':');
  const length = body === null ? {} : { 'Content-Length': String(Buffer.byteLength(body)) };
  const options = { agent, host, port, method, path: target, headers: { ...length, ...headers } };
  try {
    const request = httpRequest(options);
    request.end(body ?? undefined);
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    const chunks = (await response.toArray()) as Buffer[];
    const text = Buffer.concat(chunks).toString('utf8');
    const { statusCode = 0, headers: got } = response;
    return { status: statusCode, location: got.location ?? '', text };
  } catch {
    return { status: 0, location: '', text: '' };
  }
}
