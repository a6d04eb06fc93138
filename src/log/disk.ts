/**
 * What the log needs of the world: a directory of files, two checksums and a compressor.
 *
 * Promise: small enough that a model of a failing disk implements all of it. Every call either does
 * all that its name promises or rejects; what a crash may take back is documented at `sync` and
 * `syncDirectory`, and nowhere else is anything durable. Knows no path, no Node type, no record.
 */

/** A directory that is only looked at, perhaps while a daemon writes to it. */
export interface ReadableDisk {
  /** What people call this place. For messages only. */
  readonly directory: string;
  /** Names of all files, in any order. */
  list(): Promise<readonly string[]>;
  /** Undefined when there is no such file: one that is pruned vanishes under its readers. */
  openToRead(name: string): Promise<ReadableFile | undefined>;
}

export interface ReadableFile {
  /** Bytes in the file now. */
  size(): Promise<number>;
  /** A fresh copy of up to `length` bytes; shorter only where the file ends. */
  read(offset: number, length: number): Promise<Uint8Array>;
  /** Waits for calls that are under way. */
  close(): Promise<void>;
}

/** A directory that belongs to us alone. Every rejection means that its state is unknown. */
export interface Disk extends ReadableDisk {
  /** Opens an existing file for reading and writing. */
  open(name: string): Promise<DiskFile>;
  /** Creates a file; rejects when the name is taken. */
  create(name: string): Promise<DiskFile>;
  /** Replaces `to` when it exists. Open files go on under their new name. */
  rename(from: string, to: string): Promise<void>;
  remove(name: string): Promise<void>;
  /** Makes every earlier create, rename and remove survive a crash. */
  syncDirectory(): Promise<void>;
}

export interface DiskFile extends ReadableFile {
  /** Writes all of `bytes`, which may be reused once this resolves. Until `sync` it may be lost. */
  write(offset: number, bytes: Uint8Array): Promise<void>;
  /** Makes every earlier write and truncate of this file survive a crash (fdatasync). */
  sync(): Promise<void>;
  truncate(size: number): Promise<void>;
}

/** Checksums, injected because the engine has none of its own. */
export interface Digest {
  /** CRC-32 (IEEE 802.3) as an unsigned integer; `seed` continues an earlier one. */
  crc32(bytes: Uint8Array, seed?: number): number;
  /** SHA-256 of the parts one after the other: 32 bytes. */
  sha256(...parts: readonly Uint8Array[]): Uint8Array;
}

/** A lossless compressor. The bytes it writes name no version: one format, for good. */
export interface Compressor {
  compress(bytes: Uint8Array): Promise<Uint8Array>;
  /** Rejects when the result would be larger than `sizeMax`. It is called only with bytes that it wrote. */
  decompress(bytes: Uint8Array, sizeMax: number): Promise<Uint8Array>;
}

/** What reading a log takes; it never writes. */
export interface ReadModules {
  readonly disk: ReadableDisk;
  readonly digest: Digest;
  readonly compressor: Compressor;
  /**
   * Lets other work of the process run. Checking a segment calls it every few milliseconds; a
   * tool that has nothing else to do leaves it out.
   */
  readonly yieldToEventLoop?: () => Promise<void>;
}

/** What keeping a log takes. */
export interface LogModules extends ReadModules {
  readonly disk: Disk;
  /**
   * Another directory, where copies of the durable mark and of the vote record are kept: they show when the
   * log was put back from an older copy. A daemon always has one; without it nothing shows that.
   */
  readonly witness?: Disk;
}
