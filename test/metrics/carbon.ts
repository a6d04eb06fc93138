/** A real carbon-cache (Debian's graphite-carbon) on free ports, and what it has stored. */

import { execFile, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { connect, createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { onTestFinished } from 'vitest';
import { until } from './until.ts';

const execute = promisify(execFile);

/** Where it is, and what it imports when it is unpacked instead of installed. */
const program = spawnSync('sh', ['-c', 'command -v carbon-cache']).stdout.toString().trim();
const usr = path.resolve(path.dirname(program), '..');
const env = { ...process.env, PYTHONPATH: path.join(usr, 'lib/python3/dist-packages') };

export const hasCarbon = program !== '' && spawnSync(program, ['--help'], { env }).status === 0;

export class Carbon {
  readonly host = '127.0.0.1';
  readonly port: number;
  readonly #folder: string;

  private constructor(port: number, folder: string) {
    this.port = port;
    this.#folder = folder;
  }

  /** Starts one that is gone after the test. */
  static async start(): Promise<Carbon> {
    const folder = await mkdtemp(path.join(tmpdir(), 'tocsin-carbon-'));
    const [line, pickle, query] = [await freePort(), await freePort(), await freePort()];
    const settings = {
      STORAGE_DIR: folder,
      LOCAL_DATA_DIR: path.join(folder, 'whisper'),
      LOG_DIR: path.join(folder, 'log'),
      PID_DIR: folder,
      LINE_RECEIVER_INTERFACE: '127.0.0.1',
      LINE_RECEIVER_PORT: line,
      PICKLE_RECEIVER_INTERFACE: '127.0.0.1',
      PICKLE_RECEIVER_PORT: pickle,
      CACHE_QUERY_INTERFACE: '127.0.0.1',
      CACHE_QUERY_PORT: query,
      // With tags it would look for a Graphite of its own at port 80.
      ENABLE_TAGS: 'False',
      MAX_CREATES_PER_MINUTE: 'inf',
      USER: '',
    };
    const lines = Object.entries(settings).map(([name, value]) => `${name} = ${value}\n`);
    const config = path.join(folder, 'carbon.conf');
    await writeFile(config, `[cache]\n${lines.join('')}`);
    const schemas = '[all]\npattern = .*\nretentions = 10s:1h\n';
    await writeFile(path.join(folder, 'storage-schemas.conf'), schemas);
    const child = spawn(program, [`--config=${config}`, '--nodaemon', 'start'], {
      env,
      stdio: 'ignore',
    });
    onTestFinished(async () => {
      await killed(child);
      await rm(folder, { recursive: true, force: true });
    });
    await until(() => {
      if (child.exitCode !== null) throw new Error(`carbon-cache ended with ${child.exitCode}`);
      return isListening(line);
    });
    return new Carbon(line, folder);
  }

  /** The stored value of a slot, or null. */
  async valueAt(metric: string, atSeconds: number): Promise<number | null> {
    const file = path.join(this.#folder, 'whisper', `${metric.replaceAll('.', '/')}.wsp`);
    const range = ['--from', String(atSeconds - 1), '--until', String(atSeconds)];
    const fetch = path.join(usr, 'bin/whisper-fetch');
    const answer = await execute(fetch, ['--json', ...range, file], { env }).catch(() => null);
    if (answer === null) return null;
    return (JSON.parse(answer.stdout) as { values: (number | null)[] }).values[0] ?? null;
  }

  /** Files of metrics that it has made. */
  async paths(): Promise<readonly string[]> {
    const files = await readdir(path.join(this.#folder, 'whisper/tocsin'), { recursive: true });
    return files.filter((file) => file.endsWith('.wsp'));
  }
}

async function killed(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  const exit = once(child, 'exit');
  child.kill('SIGKILL');
  await exit;
}

async function isListening(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  const isOpen = await once(socket, 'connect').then(
    () => true,
    () => false,
  );
  socket.destroy();
  return isOpen;
}

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
