/** Every snapshot of a store with every chunk read: what `ls` and `verify` print, each its way. */

import type { Manifest } from '../ports.ts';
import { damageOf, type Damage, type LostPage } from './snapshot-damage.ts';
import type { Session, SnapshotState } from './snapshot-session.ts';

export interface SurveyedSnapshot {
  readonly index: number;
  readonly state: SnapshotState;
  /** Null when it cannot be read. */
  readonly manifest: Manifest | null;
  readonly damagedChunks: number;
  readonly damage: readonly Damage[];
}

export interface Survey {
  /** The newest first. */
  readonly snapshots: readonly SurveyedSnapshot[];
  /** Bytes of each chunk that can be read, by its hash. */
  readonly sizes: ReadonlyMap<string, number>;
}

/** A chunk that several snapshots share is read once, and is damage of each of them. */
export async function surveyOf(session: Session): Promise<Survey> {
  const sizes = new Map<string, number>();
  const lost = new Map<string, LostPage>();
  const snapshots: SurveyedSnapshot[] = [];
  for (const listed of await session.listed()) {
    const { index } = listed;
    if (!listed.ok) {
      const { state, problem } = listed;
      const damage = [{ fault: problem, pages: 0, examples: [] }];
      snapshots.push({ index, state, manifest: null, damagedChunks: 0, damage });
      continue;
    }
    const { manifest } = listed;
    const chunks = manifest.chunks.filter(([, hash]) => !sizes.has(hash) && !lost.has(hash));
    for await (const read of session.snapshots.pages({ ...manifest, chunks })) {
      if (read.ok) sizes.set(read.hash, read.size);
      else lost.set(read.hash, read);
    }
    const own = manifest.chunks.flatMap(([path, hash]) => {
      const page = lost.get(hash);
      return page === undefined ? [] : [{ path, hash, fault: page.fault }];
    });
    for (const page of own) session.lostPage(index, page);
    const state = own.length === 0 ? 'good' : 'damaged';
    snapshots.push({ index, state, manifest, damagedChunks: own.length, damage: damageOf(own) });
  }
  if (snapshots.length === 0) {
    await session.printNotice(`no snapshot has been saved in ${session.snapshots.folder}`);
  }
  return { snapshots, sizes };
}
