/**
 * The logs of all members, replayed to one index: the same log must give the same state everywhere.
 */

import { openRecording } from '../../replay/recording.ts';
import { Replay } from '../../replay/run.ts';
import type { Member } from './member.ts';

export interface Replayed {
  readonly name: string;
  /** The last index that was folded. */
  readonly index: number;
  /** Hex SHA-256 of the state there, and of the log's chain; null when there is none. */
  readonly root: string | null;
  readonly chain: string | null;
  readonly entries: number;
  /** Root hashes of snapshots on the way, and how many of them the replay came to. */
  readonly compared: number;
  readonly matched: number;
  readonly problems: readonly string[];
}

/** Replays the log of a member that has stopped, from the beginning that it has to `index`. */
export async function replayTo(
  index: number,
  { name, dataDirectory }: Pick<Member, 'name' | 'dataDirectory'>,
): Promise<Replayed> {
  const nothing = { name, index: 0, root: null, chain: null, entries: 0, compared: 0, matched: 0 };
  const opened = await openRecording(dataDirectory);
  if (!opened.ok) return { ...nothing, problems: [opened.message] };
  const { recording } = opened;
  try {
    const range = { from: null, to: { kind: 'index', index } } as const;
    const run = new Replay(recording, { range, story: null, onProgress: () => undefined });
    const moments = run.events();
    while ((await moments.next()).done !== true);
    const { proof, tally } = run;
    const short = tally.lastIndex < index ? [`it ends at ${tally.lastIndex} of ${index}`] : [];
    return {
      name,
      index: tally.lastIndex,
      root: run.root,
      chain: run.chain,
      entries: tally.entries,
      compared: proof.compared,
      matched: proof.matched,
      problems: [
        ...run.damages,
        ...run.unreadable,
        ...proof.differences.map(({ index: at, what }) => `snapshot ${at} has another ${what}`),
        ...(run.root === null ? ['its state is not known'] : []),
        ...short,
      ],
    };
  } finally {
    await recording.close();
  }
}
