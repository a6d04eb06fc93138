/**
 * Commands of one request that are committed one after the other, because together they could be
 * larger than one log entry may be.
 */

import type { Command } from '../../commands/command.ts';
import type { Intake, Proposed } from '../ports.ts';

/**
 * Proposes each command in turn. The answer is that of the last one, or of the first that was
 * refused; its message then says how much was committed before. `committed` hears of each that was.
 */
export async function proposeInTurn<Each extends Command>(
  intake: Intake,
  [first, ...rest]: readonly [Each, ...Each[]],
  committed: (command: Each) => void = () => undefined,
): Promise<Proposed> {
  let proposed = await intake.propose([first]);
  if (proposed.ok) committed(first);
  for (const [i, command] of rest.entries()) {
    if (!proposed.ok) return withCount(proposed, i, rest.length + 1);
    proposed = await intake.propose([command]);
    if (proposed.ok) committed(command);
  }
  return withCount(proposed, rest.length, rest.length + 1);
}

function withCount(proposed: Proposed, doneCount: number, count: number): Proposed {
  if (proposed.ok || doneCount === 0) return proposed;
  const message = `${proposed.message} (${doneCount} of ${count} parts were committed before)`;
  return { ...proposed, message };
}
