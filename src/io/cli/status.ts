/**
 * `tocsin status`: asks a running node how it and its cluster are, and prints it as kubectl would.
 *
 * Promise: exit 0 means that the node answered and knows a leader; 4 that it does not, or that
 * nobody answered in time, with the address and the cause in the message. Members that do not answer
 * have a row all the same.
 */

import { Command, Option } from 'commander';
import { z } from 'zod';
import { EXIT, type ExitCode } from '../daemon/exit.ts';
import { call, errorText, nodeOptions, urlOfMember } from './client.ts';
import type { WebClient } from './web-client.ts';
import type { CommandIo, Terminals } from './command-io.ts';
import { Output } from './render-output.ts';
import { bytesText, tableLines, type Column } from './render-table.ts';

const STATUS_FORMATS = ['table', 'json'] as const;

export interface StatusArgs {
  /** Where the node's HTTP is, with its `--http-prefix` if it has one. */
  readonly url: string;
  readonly timeoutMs: number;
  readonly web?: WebClient | undefined;
  readonly format: (typeof STATUS_FORMATS)[number];
}

interface Flags {
  readonly url: string;
  readonly timeout: number;
  readonly output: StatusArgs['format'];
  readonly webClientConfig?: WebClient;
}

export function statusCommand(io: CommandIo): Command {
  const command = new Command('status').description('show how a running node and its cluster are');
  for (const option of nodeOptions()) command.addOption(option);
  return command
    .addOption(
      new Option('-o, --output <format>', 'how to print it')
        .choices(STATUS_FORMATS)
        .default('table'),
    )
    .addHelpText('after', HELP)
    .action(async (flags: Flags) =>
      io.finish(
        await status(
          {
            url: flags.url,
            timeoutMs: flags.timeout,
            format: flags.output,
            web: flags.webClientConfig,
          },
          io,
        ),
      ),
    );
}

const HELP = `
One row for each member: LAG is what it lacks of the leader's log, CLOCK how far its clock is ahead
of the leader's, DISK what its log takes. A shadow decides everything and tells nobody.
Exit codes: 0 the node answered and knows a leader; 2 wrong usage; 4 no leader, or no answer.

Examples:
  tocsin status
  tocsin status --url http://10.0.0.7:9093/alerts -o json`;

/** Asks and prints; gives back the exit code. */
export async function status(
  { url, timeoutMs, format, web }: StatusArgs,
  { stdout, stderr }: Terminals,
): Promise<ExitCode> {
  const base = url.replace(/\/+$/, '');
  const answer = await fetchStatus(base, timeoutMs, web);
  if (!answer.ok) {
    await new Output(stderr).lines([`error: ${answer.message}`]);
    return EXIT.unavailable;
  }
  const { node } = answer;
  const others = node.members.filter(({ nodeId }) => nodeId !== node.nodeId);
  const asked = await Promise.all(
    others.map(async (member) => ({
      member,
      answer: await fetchStatus(urlOfMember(base, member.httpAddress), timeoutMs, web),
    })),
  );
  if (format === 'json') {
    const cluster = asked.map(({ member, answer: its }) => ({
      ...member,
      status: its.ok ? its.json : null,
      ...(its.ok ? {} : { problem: its.message }),
    }));
    const json = { ...(answer.json as object), ...(cluster.length === 0 ? {} : { cluster }) };
    await new Output(stdout).lines([JSON.stringify(json, null, 2)]);
  } else {
    const answers = [node, ...asked.flatMap(({ answer: its }) => (its.ok ? [its.node] : []))];
    const seen = answers.find(({ role }) => role === 'leader') ?? node;
    const silent = asked.flatMap(({ member, answer: its }) => (its.ok ? [] : [member]));
    const rows = [
      ...answers.map((each): Row => ({ name: each.name, node: each, seen })),
      ...silent.map(({ name, nodeId }): Row => ({ name, node: null, nodeId, seen })),
    ];
    await new Output(stdout).lines(tableLines(COLUMNS, rows.toSorted(byName)));
  }
  if (node.leader !== null) return EXIT.ok;
  await new Output(stderr).lines([`error: ${node.name} knows no leader`]);
  return EXIT.unavailable;
}

/** What is read of the answer; it may say more. */
const memberSchema = z.object({
  name: z.string(),
  nodeId: z.string(),
  httpAddress: z.string(),
  lag: z.number().nullable(),
  clockOffsetMs: z.number().nullable(),
});
const nodeSchema = z.object({
  name: z.string(),
  nodeId: z.string(),
  role: z.string(),
  shadow: z.boolean().default(false),
  term: z.number(),
  leader: z.string().nullable(),
  ready: z.boolean(),
  commitIndex: z.number(),
  appliedIndex: z.number(),
  snapshotIndex: z.number(),
  logBytes: z.number().optional(),
  members: z.array(memberSchema).default([]),
  tables: z.object({ series: z.number(), alerts: z.number(), silences: z.number() }),
});

type NodeAnswer = z.infer<typeof nodeSchema>;

interface Row {
  readonly name: string;
  /** Null for a member that did not answer. */
  readonly node: NodeAnswer | null;
  readonly nodeId?: string;
  /** Whose view of the others is shown: the leader's, if it answered. */
  readonly seen: NodeAnswer;
}

function byName(a: Row, b: Row): number {
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}

function memberOf({ node, nodeId, seen }: Row): z.infer<typeof memberSchema> | undefined {
  return seen.members.find((member) => member.nodeId === (node?.nodeId ?? nodeId));
}

function roleText({ role, shadow }: NodeAnswer): string {
  return shadow ? `${role}, shadow` : role;
}

const of = (text: (node: NodeAnswer) => string | number) => (row: Row) =>
  row.node === null ? '' : String(text(row.node));

const COLUMNS: readonly Column<Row>[] = [
  { title: 'NAME', text: ({ name }) => name },
  { title: 'ROLE', text: ({ node }) => (node === null ? 'no answer' : roleText(node)) },
  { title: 'LEADER', text: of((node) => node.leader ?? '') },
  { title: 'READY', text: of((node) => (node.ready ? 'yes' : 'no')) },
  { title: 'TERM', text: of((node) => node.term) },
  { title: 'COMMITTED', text: of((node) => node.commitIndex) },
  { title: 'APPLIED', text: of((node) => node.appliedIndex) },
  { title: 'LAG', text: (row) => String(memberOf(row)?.lag ?? '') },
  { title: 'SNAPSHOT', text: of((node) => node.snapshotIndex) },
  {
    title: 'DISK',
    text: of((node) => (node.logBytes === undefined ? '' : bytesText(node.logBytes))),
  },
  {
    title: 'CLOCK',
    text: (row) => {
      const ms = memberOf(row)?.clockOffsetMs;
      return ms === undefined || ms === null ? '' : `${ms > 0 ? '+' : ''}${Math.round(ms)} ms`;
    },
  },
  { title: 'SERIES', text: of((node) => node.tables.series) },
  { title: 'ALERTS', text: of((node) => node.tables.alerts) },
  { title: 'SILENCES', text: of((node) => node.tables.silences) },
];

type Answer =
  | { readonly ok: true; readonly node: NodeAnswer; readonly json: unknown }
  | { readonly ok: false; readonly message: string };

async function fetchStatus(
  base: string,
  timeoutMs: number,
  web: WebClient | undefined,
): Promise<Answer> {
  const url = `${base}/tocsin/v1/status`;
  const answer = await call({ method: 'GET', url, timeoutMs, web });
  if (!answer.ok) return answer;
  const { json, status: code } = answer;
  if (code !== 200) {
    return { ok: false, message: errorText(url, answer) };
  }
  const parsed = nodeSchema.safeParse(json);
  if (parsed.success) return { ok: true, node: parsed.data, json };
  return { ok: false, message: `${url} is not a tocsin: it answered something else` };
}
