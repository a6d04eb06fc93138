/**
 * `node.json` in the data directory: who this node is, before and beside what its log says.
 *
 * Promise: a change is on disk when it resolves, whole or not at all. It is written twice, and the copy with
 * more starts counts: a file that was put back from an older copy would give numbers of requests a second
 * time, and the cluster would take new requests for old ones. What it holds is only what the
 * log cannot: the log names a cluster, and a node has an id before it is in one; the log may be
 * damaged, and then somebody must know that others can bring it back.
 */

import { open, readFile, rename } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import type { PeerAddress } from '../ports.ts';

const FILE = 'node.json';

const schema = z.object({
  format: z.literal(1),
  nodeId: z.string().min(1).max(100),
  /** The cluster of its log; null until there is one. */
  clusterId: z.string().min(1).max(64).nullable(),
  /** The number of the present start, or of the last one: it only ever rises. */
  starts: z.int().positive(),
  /** Whether this node begins the cluster itself. */
  founds: z.boolean(),
  /** The other members, and where they were; empty where that was never known. */
  others: z.array(z.object({ nodeId: z.string().min(1), address: z.string() })),
  /** Whether the flag --standalone has done its work and was not taken away since. */
  isStandalone: z.boolean(),
});

export type NodeFacts = Omit<z.infer<typeof schema>, 'format'>;

export interface Places {
  /** The data directory. */
  readonly directory: string;
  /** Where the copy lies. */
  readonly copies: string;
}

interface ReadNodeFile {
  readonly facts: NodeFacts;
  readonly problem: string | null;
}

export class NodeFile {
  readonly #places: Places;
  /** What was wrong with the file, while the copy was good; null when nothing was. */
  readonly problem: string | null;
  #facts: NodeFacts;
  #writing: Promise<void> = Promise.resolve();

  private constructor(places: Places, { facts, problem }: ReadNodeFile) {
    this.#places = places;
    this.#facts = facts;
    this.problem = problem;
  }

  /** Reads the file, or makes one of `fresh`; counts this start. Rejects with a sentence. */
  static async open(
    places: Places,
    fresh: Pick<NodeFacts, 'nodeId' | 'starts'>,
  ): Promise<NodeFile> {
    const known = await readBoth(places);
    const blank = { clusterId: null, founds: false, others: [], isStandalone: false };
    const file = new NodeFile(places, known ?? { facts: { ...fresh, ...blank }, problem: null });
    await file.change({ starts: known === null ? fresh.starts : known.facts.starts + 1 });
    return file;
  }

  get facts(): NodeFacts {
    return this.#facts;
  }

  /** Durable when it resolves. Changes are written one after the other. */
  change(changes: Partial<NodeFacts>): Promise<void> {
    this.#facts = { ...this.#facts, ...changes };
    const { directory, copies } = this.#places;
    this.#writing = this.#writing.then(async () => {
      await write(directory, this.#facts);
      await write(copies, this.#facts);
    });
    return this.#writing;
  }

  /** Remembers who the others are; they are needed on the day when the log is damaged. */
  async remember(others: readonly PeerAddress[]): Promise<void> {
    if (JSON.stringify(others) === JSON.stringify(this.#facts.others)) return;
    await this.change({ others: others.map(({ nodeId, address }) => ({ nodeId, address })) });
  }
}

/** Null where there is neither. Rejects with a sentence when neither can be understood. */
async function readBoth({ directory, copies }: Places): Promise<ReadNodeFile | null> {
  const [own, copy] = await Promise.allSettled([read(directory), read(copies)]);
  // A copy that is damaged is of no use, and no loss.
  const copied = copy.status === 'fulfilled' ? copy.value : null;
  if (own.status === 'rejected') {
    if (copied === null) throw own.reason;
    return { facts: copied, problem: (own.reason as Error).message };
  }
  const file = path.join(directory, FILE);
  if (own.value === null) {
    return copied === null ? null : { facts: copied, problem: `${file} was missing` };
  }
  const isOlder = copied?.nodeId === own.value.nodeId && copied.starts > own.value.starts;
  if (!isOlder) return { facts: own.value, problem: null };
  const problem = `${file} was of start ${own.value.starts}, and start ${copied.starts} is known: put back from a copy?`;
  return { facts: copied, problem };
}

async function read(directory: string): Promise<NodeFacts | null> {
  const file = path.join(directory, FILE);
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  const parsed = schema.safeParse(jsonOf(text));
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new Error(
    `${file} cannot be understood (${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}). ` +
      'If the log folder beside it is whole, remove this file: it is made again from the log.',
  );
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return null;
  }
}

async function write(directory: string, facts: NodeFacts): Promise<void> {
  const file = path.join(directory, FILE);
  const next = await open(`${file}.new`, 'w', 0o600);
  try {
    await next.writeFile(`${JSON.stringify({ format: 1, ...facts }, null, 2)}\n`);
    await next.sync();
  } finally {
    await next.close();
  }
  await rename(`${file}.new`, file);
  const folder = await open(directory, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
