/**
 * Commands of one request that are committed one after the other, because together they could be
 * larger than one log entry may be.
 */

import type { Command } from '../../commands/command.ts';
import type { Ingest, Proposed } from '../ports.ts';

/**
 * Proposes each command in turn; each is made when the one before is committed. The answer is that of
 * the last one, or of the first that was refused; its message then says how much was committed
 * before. `committed` is called with each that was. Null: there was no command.
 */
export async function proposeInTurn<Each extends Command>(
  intake: Ingest,
  commands: Iterable<Each>,
  committed: (command: Each) => void = () => undefined,
): Promise<Proposed | null> {
  let last: Proposed | null = null;
  let doneCount = 0;
  for (const command of commands) {
    last = await intake.propose([command]);
    if (!last.ok) return withCount(last, doneCount);
    committed(command);
    doneCount++;
  }
  return last;
}

function withCount(
  refused: Extract<Proposed, { readonly ok: false }>,
  doneCount: number,
): Proposed {
  if (doneCount === 0) return refused;
  const parts = doneCount === 1 ? 'the first part was' : `the first ${doneCount} parts were`;
  return { ...refused, message: `${refused.message} (${parts} committed before)` };
}
