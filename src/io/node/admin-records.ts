/**
 * Records of what administrators ask for outside of the log, for actions that do not wait for them: a
 * copy of the state and a clock that is right are wanted just when no majority is there to record it.
 */

import { actorText } from '../../commands/actor.ts';
import { auditText, type Admin } from '../../commands/admin.ts';
import type { Command } from '../../commands/command.ts';
import { recordsActors } from '../../projections/reducers.ts';
import type { State } from '../../projections/state.ts';
import type { Logger, Proposed } from '../ports.ts';

export interface AdminRecordsModules {
  readonly logger: Logger;
  readonly state: () => State;
  readonly propose: (commands: readonly Command[]) => Promise<Proposed>;
}

export type AdminRequest = Omit<Admin, 'kind'>;

/** The command that records a request; null while a member of an earlier build may be there. */
export function recordOf(state: Pick<State, 'reducers'>, request: AdminRequest): Admin | null {
  if (!recordsActors(state)) return null;
  const subject = auditText(request.subject);
  return { kind: 'admin', ...request, subject, detail: auditText(request.detail) };
}

/** Records a request when it can; one that is not recorded is a line of the log of this node. */
export async function recordAdmin(
  request: AdminRequest,
  { logger, propose, state }: AdminRecordsModules,
): Promise<void> {
  const command = recordOf(state(), request);
  if (command === null) return;
  const result = await propose([command]);
  if (result.ok) return;
  const { action, actor = null } = request;
  logger.warn('not recorded', { action, actor: actorText(actor), problem: result.message });
}
