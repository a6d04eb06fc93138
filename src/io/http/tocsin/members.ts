/** Changes of who belongs to the cluster: the removal of a member, and the hand-over of leadership. */

import type { Context } from 'hono';
import { z } from 'zod';
import type { MembershipAnswer, NodeHandle } from '../../ports.ts';
import { problem } from '../answers.ts';
import type { HttpEnv } from '../env.ts';
import type { HttpModules } from '../modules.ts';
import { jsonBody, refusedBody } from '../request-body.ts';

/** `DELETE /tocsin/v1/members/:node`, with a name or a node id. */
export async function removeMember(c: Context<HttpEnv>, { node }: HttpModules): Promise<Response> {
  const found = memberCalled(c.req.param('node') ?? '', node);
  if (!found.ok) return problem(c, found.status, found.message);
  const actor = c.get('actor');
  return answerOf(c, await node.changeMembership({ op: 'remove', node: found.nodeId, actor }));
}

const transferSchema = z.object({ to: z.string().nullable() });

/** `POST /tocsin/v1/leader` with `{"to": NODE}`, or null to leave the choice to the leader. */
export async function transferLeadership(
  c: Context<HttpEnv>,
  { node }: HttpModules,
): Promise<Response> {
  const body = await jsonBody(c);
  if (!body.ok) return refusedBody(c, body);
  const parsed = transferSchema.safeParse(body.value);
  if (!parsed.success) return problem(c, 400, 'the body must be {"to": NODE} or {"to": null}');
  const { to } = parsed.data;
  const found = to === null ? LEADER_CHOOSES : memberCalled(to, node);
  if (!found.ok) return problem(c, found.status, found.message);
  const actor = c.get('actor');
  return answerOf(c, await node.changeMembership({ op: 'transfer', node: found.nodeId, actor }));
}

const LEADER_CHOOSES = { ok: true, nodeId: null } as const;

type Found =
  | { readonly ok: true; readonly nodeId: string }
  | { readonly ok: false; readonly status: 404 | 409; readonly message: string };

function memberCalled(text: string, node: NodeHandle): Found {
  const { members } = node.status();
  const byId = members.find(({ nodeId }) => nodeId === text);
  const named = byId === undefined ? members.filter(({ name }) => name === text) : [byId];
  const [first, second] = named;
  if (first === undefined) {
    const names = members.map(({ name }) => name).join(', ');
    return { ok: false, status: 404, message: `no member is called ${text}; there are ${names}` };
  }
  if (second === undefined) return { ok: true, nodeId: first.nodeId };
  const ids = named.map(({ nodeId }) => nodeId).join(' and ');
  return { ok: false, status: 409, message: `${text} is the name of ${ids}: name the node id` };
}

function answerOf(c: Context<HttpEnv>, { code, message }: MembershipAnswer): Response {
  switch (code) {
    case 'ok':
      return c.json({ ok: true });
    case 'refused':
      return problem(c, 409, message);
    case 'retry':
      c.header('Retry-After', '1');
      return problem(c, 503, `not done, try again: ${message}`);
    case 'unknown':
      c.header('Retry-After', '1');
      return problem(c, 503, `it may or may not have happened: ${message}`);
  }
}
