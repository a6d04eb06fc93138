/**
 * The Disk port in memory, with everything that a real disk may do to us.
 *
 * What is not synced may be lost at a power cut, wholly or in any part: the file ends early, or some
 * of its sectors were never written. Names that were created, renamed or removed may come back until
 * the directory is synced. A sync that fails leaves pages that readers still see and that no later
 * sync will write (as Linux does). Calls can fail, take part of the bytes, be slow, or never return.
 *
 * Promise: the same calls with the same options give the same bytes. It keeps what the port
 * promises, and not one bit more.
 */

import type { Disk, DiskFile } from '../../log/disk.ts';

/** Something that the disk is asked to do. */
export interface DiskOperation {
  readonly kind:
    | 'list'
    | 'open'
    | 'create'
    | 'rename'
    | 'remove'
    | 'syncDirectory'
    | 'size'
    | 'read'
    | 'write'
    | 'truncate'
    | 'sync';
  /** The file; empty for the directory. */
  readonly name: string;
  /** From 1, over all operations of this disk. */
  readonly number: number;
}

export type DiskFault =
  /** The call rejects. A failing write may have taken some bytes. */
  | { readonly kind: 'error'; readonly code: 'EIO' | 'ENOSPC'; readonly bytesWritten?: number }
  /** This call and every later one never return. */
  | { readonly kind: 'power-off' };

/** What a power cut takes of all that was not synced. */
export type Loss =
  | { readonly kind: 'everything' }
  | { readonly kind: 'nothing' }
  /** Each file keeps so many bytes of what was written to it, in the order of writing. */
  | { readonly kind: 'cut'; readonly bytesKept: number }
  /** Some names, some length, some sectors. */
  | { readonly kind: 'random'; readonly seed: number };

export interface SimulatedDiskOptions {
  /** Resolves when an operation is to finish; nothing, as by default, is at once. */
  readonly pace?: (operation: DiskOperation) => Promise<void> | undefined;
  /** Asked before each operation. */
  readonly fault?: (operation: DiskOperation) => DiskFault | undefined;
}

export interface SimulatedDisk extends Disk {
  /** Resolves when a power-off has struck. */
  readonly whenOff: Promise<void>;
  /** The disk after power comes back. This one stays as it was, for other losses to be tried. */
  afterPowerCut(loss: Loss, options?: SimulatedDiskOptions): SimulatedDisk;
  /** The disk for the process that follows a killed one: what the kernel held is still there. */
  afterKill(options?: SimulatedDiskOptions): SimulatedDisk;
  /** Bytes that a power cut could take, in the file that has the most of them. */
  unsyncedBytes(): number;
  /** Copies of all files as readers see them. */
  files(): Map<string, Uint8Array>;
  /** Bit rot: bit 0 to 7 of a byte changes without anybody having written it. */
  flipBit(name: string, offset: number, bit: number): void;
}

/** A disk that holds these files, durably. */
export function createSimulatedDisk(
  options: SimulatedDiskOptions = {},
  files: ReadonlyMap<string, Uint8Array> = new Map(),
): SimulatedDisk {
  const names = new Map([...files].map(([name, bytes]) => [name, inodeOf(bytes)] as const));
  return new MemoryDisk({ names, pending: [] }, options);
}

const SECTOR_BYTES = 512;

/** One change of a file that is not yet durable, with all that is needed to take it back. */
interface Change {
  readonly offset: number;
  readonly after: Uint8Array;
  readonly sizeAfter: number;
  before: Uint8Array;
  sizeBefore: number;
  /** A sync of it failed: it stays in memory and never reaches the disk. */
  isDoomed: boolean;
}

interface Inode {
  /** With room to grow; only the first `size` bytes count. */
  bytes: Uint8Array;
  size: number;
  pending: Change[];
}

type Names = Map<string, Inode>;

interface Directory {
  /** As it is on disk. */
  readonly names: Names;
  /** What was done to it since, in order. */
  readonly pending: ((names: Names) => void)[];
}

class MemoryDisk implements SimulatedDisk {
  readonly directory = 'simulated';
  readonly whenOff: Promise<void>;
  readonly #options: SimulatedDiskOptions;
  #durable: Directory;
  #names: Names;
  #count = 0;
  #isOff = false;
  #strike: () => void = () => {};

  constructor(durable: Directory, options: SimulatedDiskOptions) {
    this.#durable = durable;
    this.#names = namesAfter(durable, durable.pending.length);
    this.#options = options;
    this.whenOff = new Promise((resolve) => {
      this.#strike = resolve;
    });
  }

  async list(): Promise<readonly string[]> {
    return this.perform('list', '', () => [...this.#names.keys()]);
  }

  async openToRead(name: string): Promise<DiskFile | undefined> {
    return this.perform('open', name, () => {
      const inode = this.#names.get(name);
      return inode && new MemoryFile(this, name, inode);
    });
  }

  async open(name: string): Promise<DiskFile> {
    return this.perform('open', name, () => new MemoryFile(this, name, this.#find(name)));
  }

  async create(name: string): Promise<DiskFile> {
    return this.perform('create', name, () => {
      if (this.#names.has(name)) throw systemError('EEXIST', `create ${name}`);
      const inode = inodeOf(new Uint8Array(0));
      this.#change((names) => names.set(name, inode));
      return new MemoryFile(this, name, inode);
    });
  }

  async rename(from: string, to: string): Promise<void> {
    return this.perform('rename', from, () => {
      const inode = this.#find(from);
      this.#change((names) => {
        names.delete(from);
        names.set(to, inode);
      });
    });
  }

  async remove(name: string): Promise<void> {
    return this.perform('remove', name, () => {
      this.#find(name);
      this.#change((names) => names.delete(name));
    });
  }

  async syncDirectory(): Promise<void> {
    return this.perform('syncDirectory', '', () => {
      this.#durable = { names: new Map(this.#names), pending: [] };
    });
  }

  afterPowerCut(loss: Loss, options: SimulatedDiskOptions = {}): SimulatedDisk {
    const random = randomFrom(loss.kind === 'random' ? loss.seed : 0);
    const names = namesAfter(this.#durable, survivingNames(this.#durable, loss, random));
    const inodes = [...names].map(([name, inode]) => {
      return [name, inodeOf(survivingBytes(inode, loss, random))] as const;
    });
    return new MemoryDisk({ names: new Map(inodes), pending: [] }, options);
  }

  afterKill(options: SimulatedDiskOptions = {}): SimulatedDisk {
    const copies = new Map<Inode, Inode>();
    const copyOf = (inode: Inode): Inode => {
      const copy = copies.get(inode) ?? {
        bytes: inode.bytes.slice(),
        size: inode.size,
        pending: inode.pending.map((change) => ({ ...change })),
      };
      copies.set(inode, copy);
      return copy;
    };
    const names = new Map([...this.#names].map(([name, inode]) => [name, copyOf(inode)] as const));
    const durable = new Map(
      [...this.#durable.names].map(([name, inode]) => [name, copyOf(inode)] as const),
    );
    // Names not yet durable are as one change: all of it may be lost at a later power cut.
    const change = (target: Names): void => {
      target.clear();
      for (const [name, inode] of names) target.set(name, inode);
    };
    return new MemoryDisk({ names: durable, pending: [change] }, options);
  }

  unsyncedBytes(): number {
    const pending = [...this.#names.values()].map((inode) => inode.pending);
    return Math.max(0, ...pending.map((changes) => sum(changes.map(({ after }) => after.length))));
  }

  files(): Map<string, Uint8Array> {
    return new Map(
      [...this.#names].map(([name, { bytes, size }]) => [name, bytes.slice(0, size)] as const),
    );
  }

  flipBit(name: string, offset: number, bit: number): void {
    const { bytes, size } = this.#find(name);
    if (offset >= size) throw new RangeError(`${name} has only ${size} bytes`);
    bytes[offset] = (bytes[offset] ?? 0) ^ (1 << bit);
  }

  /** Goes through faults and pace to the work itself. */
  async perform<T>(
    kind: DiskOperation['kind'],
    name: string,
    work: () => T,
    failing: (bytesWritten: number) => void = () => {},
  ): Promise<T> {
    if (this.#isOff) return never();
    const operation = { kind, name, number: ++this.#count };
    const fault = this.#options.fault?.(operation);
    if (fault?.kind === 'power-off') {
      this.#isOff = true;
      this.#strike();
      return never();
    }
    const pause = this.#options.pace?.(operation);
    if (pause !== undefined) await pause;
    if (this.#isOff) return never();
    if (fault !== undefined) {
      failing(fault.bytesWritten ?? 0);
      throw systemError(fault.code, `${kind} ${name}`);
    }
    return work();
  }

  #find(name: string): Inode {
    const inode = this.#names.get(name);
    if (inode === undefined) throw systemError('ENOENT', name);
    return inode;
  }

  #change(change: (names: Names) => void): void {
    change(this.#names);
    this.#durable.pending.push(change);
  }
}

class MemoryFile implements DiskFile {
  readonly #disk: MemoryDisk;
  readonly #name: string;
  readonly #inode: Inode;
  #isClosed = false;

  constructor(disk: MemoryDisk, name: string, inode: Inode) {
    this.#disk = disk;
    this.#name = name;
    this.#inode = inode;
  }

  async size(): Promise<number> {
    return this.#perform('size', () => this.#inode.size);
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    return this.#perform('read', () => {
      const { bytes, size } = this.#inode;
      return bytes.slice(offset, Math.min(size, offset + length));
    });
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    const copy = bytes.slice();
    return this.#perform(
      'write',
      () => change(this.#inode, offset, copy, Math.max(this.#inode.size, offset + copy.length)),
      (taken) => {
        const part = copy.subarray(0, taken);
        change(this.#inode, offset, part, Math.max(this.#inode.size, offset + part.length));
      },
    );
  }

  async sync(): Promise<void> {
    return this.#perform(
      'sync',
      () => settle(this.#inode),
      () => {
        for (const pending of this.#inode.pending) pending.isDoomed = true;
      },
    );
  }

  async truncate(size: number): Promise<void> {
    return this.#perform('truncate', () => change(this.#inode, size, new Uint8Array(0), size));
  }

  async close(): Promise<void> {
    this.#isClosed = true;
  }

  async #perform<T>(
    kind: DiskOperation['kind'],
    work: () => T,
    failing?: (bytesWritten: number) => void,
  ): Promise<T> {
    if (this.#isClosed) throw systemError('EBADF', `${kind} ${this.#name}`);
    return this.#disk.perform(kind, this.#name, work, failing);
  }
}

function inodeOf(bytes: Uint8Array): Inode {
  return { bytes: bytes.slice(), size: bytes.length, pending: [] };
}

/** Puts `after` at `offset` of what readers see, and remembers how to take it back. */
function change(inode: Inode, offset: number, after: Uint8Array, sizeAfter: number): void {
  const sizeBefore = inode.size;
  const end = sizeAfter < sizeBefore ? sizeBefore : offset + after.length;
  const before = inode.bytes.slice(offset, Math.min(end, sizeBefore));
  put(inode, offset, after, sizeAfter);
  inode.pending.push({ offset, after, sizeAfter, before, sizeBefore, isDoomed: false });
}

function put(inode: Inode, offset: number, bytes: Uint8Array, size: number): void {
  const needed = Math.max(size, offset + bytes.length);
  if (needed > inode.bytes.length) {
    const grown = new Uint8Array(needed * 2);
    grown.set(inode.bytes.subarray(0, inode.size));
    inode.bytes = grown;
  }
  inode.bytes.set(bytes, offset);
  if (size < inode.size) inode.bytes.fill(0, size, inode.size);
  inode.size = size;
}

/** A sync that works: all but the doomed changes are durable now. */
function settle(inode: Inode): void {
  const doomed = inode.pending.filter((each) => each.isDoomed);
  for (const settled of inode.pending) {
    if (settled.isDoomed) continue;
    for (const each of doomed) rebase(each, settled);
  }
  inode.pending = doomed;
}

/** What a doomed change is taken back to now includes a change that was made durable over it. */
function rebase(doomed: Change, settled: Change): void {
  doomed.sizeBefore = Math.max(doomed.sizeBefore, settled.sizeAfter);
  const from = Math.max(doomed.offset, settled.offset);
  const to = Math.min(doomed.offset + doomed.after.length, settled.offset + settled.after.length);
  if (from >= to) return;
  const before = new Uint8Array(Math.max(doomed.before.length, to - doomed.offset));
  before.set(doomed.before);
  before.set(
    settled.after.subarray(from - settled.offset, to - settled.offset),
    from - doomed.offset,
  );
  doomed.before = before;
}

function namesAfter({ names, pending }: Directory, count: number): Names {
  const result = new Map(names);
  for (const each of pending.slice(0, count)) each(result);
  return result;
}

function survivingNames({ pending }: Directory, loss: Loss, random: () => number): number {
  if (loss.kind === 'everything') return 0;
  return loss.kind === 'random' ? Math.floor(random() * (pending.length + 1)) : pending.length;
}

function survivingBytes(inode: Inode, loss: Loss, random: () => number): Uint8Array {
  const disk: Inode = { bytes: inode.bytes.slice(), size: inode.size, pending: [] };
  for (const { offset, before, sizeBefore } of inode.pending.toReversed()) {
    put(disk, offset, before, Math.max(sizeBefore, offset + before.length));
    put(disk, 0, new Uint8Array(0), sizeBefore);
  }
  const durableSize = disk.size;
  const survivors = inode.pending.filter((each) => !each.isDoomed);
  if (loss.kind !== 'everything') {
    let budget = loss.kind === 'cut' ? loss.bytesKept : Infinity;
    for (const each of survivors) {
      const part = each.after.subarray(0, budget);
      budget -= part.length;
      applyPart(disk, each, part, loss.kind === 'random' ? random : () => 0);
    }
  }
  // A file may also end before what was written to its last sectors.
  if (loss.kind === 'random' && disk.size > durableSize && random() < 0.5) {
    const size = durableSize + Math.floor(random() * (disk.size - durableSize));
    put(disk, 0, new Uint8Array(0), size);
  }
  return disk.bytes.slice(0, disk.size);
}

/** Writes those sectors of a change for which the dice fall below one half. */
function applyPart(disk: Inode, each: Change, part: Uint8Array, random: () => number): void {
  const isTruncation = each.sizeAfter < each.sizeBefore;
  if (isTruncation && random() < 0.5) put(disk, 0, new Uint8Array(0), each.sizeAfter);
  for (let at = 0; at < part.length;) {
    const room = SECTOR_BYTES - ((each.offset + at) % SECTOR_BYTES);
    const sector = part.subarray(at, at + room);
    const size = Math.max(disk.size, each.offset + at + sector.length);
    put(disk, each.offset + at, random() < 0.5 ? sector : new Uint8Array(0), size);
    at += sector.length;
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

/** A small seeded generator (mulberry32), from 0 inclusive to 1 exclusive. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

async function never<T>(): Promise<T> {
  return new Promise<T>(() => {});
}

function systemError(code: string, what: string): Error {
  return Object.assign(new Error(`${code}: ${what}`), { code });
}
