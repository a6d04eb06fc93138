/** What a member says of itself over HTTP, as far as the command wants to know it. */

import { request, type Dispatcher } from 'undici';
import { z } from 'zod';

const statusSchema = z.object({
  role: z.string(),
  term: z.number(),
  leader: z.string().nullable(),
  ready: z.boolean(),
  commitIndex: z.number(),
  appliedIndex: z.number(),
});

export type MemberStatus = z.infer<typeof statusSchema>;

const alertsSchema = z.array(z.object({ labels: z.record(z.string(), z.string()) }));
const rowsSchema = z.array(z.unknown());

/** A member that stands still must not hold up who asks the others. */
const ASK_LIMIT_MS = 1_000;
/** A list of all alerts can be long. */
const LIST_LIMIT_MS = 30_000;

/** Null when it does not answer, or answers that it cannot. */
export async function statusOf(http: string, agent: Dispatcher): Promise<MemberStatus | null> {
  const json = await getJson(`http://${http}/tocsin/v1/status`, agent, ASK_LIMIT_MS);
  const parsed = statusSchema.safeParse(json);
  return parsed.success ? parsed.data : null;
}

/** Whether notifications are owed or under way, as that member sees it. */
export async function owesPages(http: string, agent: Dispatcher): Promise<boolean> {
  const query = 'status=owed,trying&limit=1';
  const json = await getJson(
    `http://${http}/tocsin/v1/notifications?${query}`,
    agent,
    ASK_LIMIT_MS,
  );
  const parsed = rowsSchema.safeParse(json);
  return !parsed.success || parsed.data.length > 0;
}

/** The values of `label` of all alerts that it has; null when it does not say. */
export async function alertsOf(
  http: string,
  label: string,
  agent: Dispatcher,
): Promise<ReadonlySet<string> | null> {
  const json = await getJson(`http://${http}/api/v2/alerts`, agent, LIST_LIMIT_MS);
  const parsed = alertsSchema.safeParse(json);
  return parsed.success ? new Set(parsed.data.map(({ labels }) => labels[label] ?? '')) : null;
}

async function getJson(url: string, dispatcher: Dispatcher, limitMs: number): Promise<unknown> {
  try {
    const { statusCode, body } = await request(url, {
      dispatcher,
      signal: AbortSignal.timeout(limitMs),
    });
    if (statusCode === 200) return await body.json();
    await body.dump();
  } catch {
    // It is dead, frozen or just beginning.
  }
  return null;
}
