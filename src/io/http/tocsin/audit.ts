/** `GET audit`: what people did, and who they were, the newest first. */

import type { Context } from 'hono';
import { auditEvents, oldestAudited } from '../../../projections/audit.ts';
import { recordsActors } from '../../../projections/reducers.ts';
import type { AuditEvent } from '../../../projections/state.ts';
import { problem } from '../answers.ts';
import { HTTP_LIMITS } from '../limits.ts';
import type { HttpEnv } from '../env.ts';
import type { HttpModules } from '../modules.ts';
import { timeOrNull } from './times.ts';

const LIMIT_DEFAULT = 100;

export function getAudit(c: Context<HttpEnv>, { node }: HttpModules): Response {
  const limit = Number(c.req.query('limit') ?? LIMIT_DEFAULT);
  if (!Number.isInteger(limit) || limit < 1 || limit > HTTP_LIMITS.auditListed) {
    return problem(c, 400, `limit is a number from 1 to ${HTTP_LIMITS.auditListed}`);
  }
  const asked = c.req.query('before');
  const before = asked === undefined ? Infinity : Number(asked);
  if (asked !== undefined && (!Number.isSafeInteger(before) || before < 1)) {
    return problem(c, 400, 'before is the id of an event: those with smaller ids are listed');
  }
  const { state } = node.view();
  const events = auditEvents(state, { before, limit });
  const last = events.at(-1)?.number ?? 0;
  return c.json({
    /** False while members of an earlier build may be in the cluster: then nothing is kept. */
    recording: recordsActors(state),
    events: events.map(eventJson),
    /** `before` for the events before these; null when no older one is kept. */
    next: last > oldestAudited(state) ? last : null,
  });
}

function eventJson({ number, at, ...event }: AuditEvent & { readonly number: number }): object {
  return { id: number, at: timeOrNull(at), ...event };
}
