/**
 * The Disk port on a real directory.
 *
 * Promise: a write is whole or rejected; `sync` is fdatasync; directories are 0700 and files 0600,
 * because a log holds everything that anybody was ever paged about. Errors pass through as the
 * system gave them. It does not lock the directory: see real-disk-lock.ts.
 */

import { constants } from 'node:fs';
import { mkdir, open, readdir, rename, rm, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import type { Disk, DiskFile, ReadableDisk, ReadableFile } from '../../log/disk.ts';

/** Makes the directory when it is missing, so that it survives a crash, too. */
export async function createRealDisk(options: { readonly directory: string }): Promise<Disk> {
  const directory = path.resolve(options.directory);
  await makeDirectory(directory);
  const at = (name: string): string => path.join(directory, name);
  return {
    ...createReadOnlyDisk({ directory }),
    open: async (name) => new RealFile(await open(at(name), constants.O_RDWR)),
    create: async (name) => new RealFile(await open(at(name), 'wx+', FILE_MODE)),
    rename: (from, to) => rename(at(from), at(to)),
    remove: (name) => rm(at(name)),
    syncDirectory: () => syncDirectory(directory),
  };
}

/** A directory that may belong to a running daemon; every file is opened for reading only. */
export function createReadOnlyDisk(options: { readonly directory: string }): ReadableDisk {
  const directory = path.resolve(options.directory);
  return {
    directory,
    list: async () => {
      const entries = await readdir(directory, { withFileTypes: true });
      return entries.filter((entry) => entry.isFile()).map((entry) => entry.name);
    },
    openToRead: async (name): Promise<ReadableFile | undefined> => {
      try {
        return new RealFile(await open(path.join(directory, name), constants.O_RDONLY));
      } catch (error) {
        if (isMissing(error)) return undefined;
        throw error;
      }
    },
  };
}

const DIRECTORY_MODE = 0o700;
const FILE_MODE = 0o600;

class RealFile implements DiskFile {
  readonly #handle: FileHandle;

  constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  async size(): Promise<number> {
    return (await this.#handle.stat()).size;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(length);
    let filled = 0;
    while (filled < length) {
      const { bytesRead } = await this.#handle.read(
        bytes,
        filled,
        length - filled,
        offset + filled,
      );
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    return bytes.subarray(0, filled);
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    let written = 0;
    // A full disk may take a part and report the error only at the next try.
    while (written < bytes.length) {
      const rest = bytes.length - written;
      const { bytesWritten } = await this.#handle.write(bytes, written, rest, offset + written);
      written += bytesWritten;
    }
  }

  async sync(): Promise<void> {
    await this.#handle.datasync();
  }

  async truncate(size: number): Promise<void> {
    await this.#handle.truncate(size);
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}

async function makeDirectory(directory: string): Promise<void> {
  const first = await mkdir(directory, { recursive: true, mode: DIRECTORY_MODE });
  if (first === undefined) return;
  // A new directory is on disk only when the one that holds it is.
  for (let made = directory; made.length >= first.length; made = path.dirname(made)) {
    await syncDirectory(path.dirname(made));
  }
}

async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, constants.O_RDONLY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}
