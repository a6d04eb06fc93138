/**
 * `tocsin backup`: one consistent file from a running member.
 *
 * Promise: exit 0 means that the file is whole, read back, checked and on the disk under its name; a
 * file that exists is never touched; whatever goes wrong leaves nothing behind.
 */

import { createReadStream } from 'node:fs';
import { access, link, open, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import type { Readable } from 'node:stream';
import { Command } from 'commander';
import { Agent, request } from 'undici';
import { EXIT, type ExitCode } from '../daemon/exit.ts';
import { BackupDamaged, readBackup, type BackupHead } from '../disk/backup-format.ts';
import { nodeOptions } from './client.ts';
import type { CommandIo, Terminals } from './command-io.ts';
import { Output } from './render-output.ts';
import type { WebClient } from './web-client.ts';

interface Flags {
  readonly url: string;
  readonly timeout: number;
  readonly webClientConfig?: WebClient;
}

export function backupCommand(io: CommandIo): Command {
  const [url, timeout, web] = nodeOptions();
  return new Command('backup')
    .description('write the state of a running node to one file')
    .argument('<file>', 'where to; it must not exist')
    .addOption(url)
    .addOption(timeout)
    .addOption(web)
    .addHelpText('after', HELP)
    .action(async (file: string, flags: Flags) => io.finish(await backup(file, flags, io)));
}

const HELP = `
The file holds the secrets of the configuration. A node gives it to its own machine only.
--timeout is the longest time without a byte. tocsin restore makes a data directory of the file.
Exit codes: 0 done, 1 refused, 2 wrong usage, 4 no answer or it broke off, 6 the file cannot be written.

Example:
  tocsin backup --url http://127.0.0.1:9093 /var/backups/tocsin-monday`;

/** What ends a backup, with its exit code. */
class Failed extends Error {
  readonly exit: ExitCode;

  constructor(message: string, exit: ExitCode) {
    super(message);
    this.exit = exit;
  }
}

async function backup(file: string, flags: Flags, { stderr }: Terminals): Promise<ExitCode> {
  const output = new Output(stderr);
  const unfinished = `${file}.unfinished-${process.pid}`;
  try {
    await refuseExisting(file);
    const bytes = await fetchTo(unfinished, flags);
    const { at, clusterId, index } = await checked(unfinished);
    await publish(unfinished, file);
    const time = new Date(at).toISOString();
    await output.lines([
      `${file}: cluster ${clusterId} up to entry ${index} (${time}), ${bytes} bytes`,
    ]);
    return EXIT.ok;
  } catch (error) {
    if (!(error instanceof Failed)) throw error;
    await output.lines([`error: ${error.message}`]);
    return error.exit;
  } finally {
    await rm(unfinished, { force: true });
  }
}

async function refuseExisting(file: string): Promise<void> {
  const isFree = await access(file).then(
    () => false,
    () => true,
  );
  if (!isFree)
    throw new Failed(`${file} exists: give another name, or remove it first`, EXIT.refused);
}

async function fetchTo(
  file: string,
  { timeout, url, webClientConfig: web }: Flags,
): Promise<number> {
  const place = `${url}/tocsin/v1/backup`;
  const dispatcher = new Agent({
    headersTimeout: timeout,
    bodyTimeout: timeout,
    ...(web === undefined ? {} : { connect: web.tls }),
  });
  const authorization = web?.authorization ?? null;
  const headers = authorization === null ? {} : { authorization };
  try {
    const answer = await request(place, { dispatcher, headers }).catch((error: Error) => {
      throw new Failed(`${place} gave no answer: ${error.message}`, EXIT.unavailable);
    });
    if (answer.statusCode !== 200) {
      const text = (await answer.body.text()).slice(0, 1_000);
      const code = answer.statusCode < 500 ? EXIT.refused : EXIT.unavailable;
      throw new Failed(`${place} answered ${answer.statusCode}: ${text}`, code);
    }
    return await write(file, answer.body, place);
  } finally {
    await dispatcher.destroy();
  }
}

async function write(file: string, body: Readable, place: string): Promise<number> {
  const handle = await open(file, 'wx', 0o600).catch(cannotWrite(file));
  let bytes = 0;
  try {
    const chunks = body[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>;
    for (;;) {
      const next = await chunks.next().catch((error: Error) => {
        throw new Failed(
          `${place} broke off after ${bytes} bytes: ${error.message}`,
          EXIT.unavailable,
        );
      });
      if (next.done === true) break;
      await handle.writeFile(next.value).catch(cannotWrite(file));
      bytes += next.value.length;
    }
    await handle.sync().catch(cannotWrite(file));
  } finally {
    await handle.close();
  }
  return bytes;
}

/** What is on the disk is read back: an answer that was cut ends like any other. */
async function checked(file: string): Promise<BackupHead> {
  try {
    let found: BackupHead | null = null;
    for await (const part of readBackup(createReadStream(file))) {
      if (part.kind === 'head') found = part.head;
    }
    if (found !== null) return found;
    throw new BackupDamaged('it holds nothing');
  } catch (error) {
    if (!(error instanceof BackupDamaged)) throw error;
    throw new Failed(`what was received is no whole backup: ${error.message}`, EXIT.unavailable);
  }
}

/** A link never replaces a file that came meanwhile; not every file system has links. */
async function publish(from: string, to: string): Promise<void> {
  try {
    await link(from, to);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') throw new Failed(`${to} exists by now`, EXIT.refused);
    await refuseExisting(to);
    await rename(from, to).catch(cannotWrite(to));
  }
  const folder = await open(path.dirname(path.resolve(to)), 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

function cannotWrite(file: string): (error: Error) => never {
  return (error) => {
    throw new Failed(`${file} cannot be written: ${error.message}`, EXIT.disk);
  };
}
