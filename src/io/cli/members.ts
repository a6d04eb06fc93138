/**
 * `tocsin members`: who belongs to the cluster, and changes of it. Any member can be asked; one that
 * does not lead asks the leader.
 *
 * Promise: exit 0 means that the change is committed; 1 that it was refused and never happens like
 * this; 4 that it may be tried again, or that nobody answered.
 */

import { Command, Option } from 'commander';
import { z } from 'zod';
import { EXIT, type ExitCode } from '../daemon/exit.ts';
import { call, errorText, nodeOptions, urlOfMember, type Call } from './client.ts';
import type { WebClient } from './web-client.ts';
import type { CommandIo, Terminals } from './command-io.ts';
import { Output } from './render-output.ts';
import { FORMATS, tableLines, type Column, type Format } from './render-table.ts';

interface Flags {
  readonly url: string;
  readonly timeout: number;
  readonly output?: Format;
  readonly webClientConfig?: WebClient;
}

export function membersCommand(io: CommandIo): Command {
  const command = new Command('members')
    .description('show and change who belongs to the cluster')
    .addHelpText('after', HELP);
  sub('list', 'list the members')
    .addOption(
      new Option('-o, --output <format>', 'how to print them').choices(FORMATS).default('table'),
    )
    .action(async (flags: Flags) => io.finish(await listMembers(flags, io)));
  sub('remove', 'remove a member for good; to come back it starts empty with --join')
    .argument('<node>', 'its name, or its node id where a name has two bearers')
    .action(async (node: string, flags: Flags) => {
      const path = `/tocsin/v1/members/${encodeURIComponent(node)}`;
      io.finish(await change({ method: 'DELETE', path }, flags, io));
    });
  sub('transfer', 'hand over leadership')
    .argument('[node]', 'to whom; the leader chooses if nobody is named')
    .action(async (node: string | undefined, flags: Flags) => {
      const body = { to: node ?? null };
      io.finish(await change({ method: 'POST', path: '/tocsin/v1/leader', body }, flags, io));
    });
  return command;

  function sub(name: string, description: string): Command {
    const created = command.command(name).description(description);
    return nodeOptions().reduce((each, option) => each.addOption(option), created);
  }
}

const HELP = `
Exit codes: 0 done; 1 refused; 2 wrong usage; 4 no answer, or not now: try again.

Examples:
  tocsin members list
  tocsin members remove node-2
  tocsin members transfer node-3 --url http://10.0.0.7:9093`;

const memberSchema = z.object({
  name: z.string(),
  nodeId: z.string(),
  role: z.string(),
  peerAddress: z.string(),
  httpAddress: z.string(),
  lag: z.number().nullable(),
  silentMs: z.number().nullable(),
  clockOffsetMs: z.number().nullable(),
});

type Member = z.infer<typeof memberSchema>;

const COLUMNS: readonly Column<Member>[] = [
  { title: 'NAME', text: ({ name }) => name },
  { title: 'ROLE', text: ({ role }) => role },
  { title: 'LAG', text: ({ lag }) => String(lag ?? '') },
  {
    title: 'HEARD',
    text: ({ silentMs }) => (silentMs === null ? '' : `${(silentMs / 1_000).toFixed(1)} s ago`),
  },
  { title: 'CLOCK', text: ({ clockOffsetMs: ms }) => (ms === null ? '' : `${Math.round(ms)} ms`) },
  { title: 'PEER', text: ({ peerAddress }) => peerAddress },
  { title: 'HTTP', text: ({ httpAddress }) => httpAddress },
  { title: 'NODE ID', text: ({ nodeId }) => nodeId },
];

async function listMembers(
  { output, timeout, url, webClientConfig: web }: Flags,
  io: Terminals,
): Promise<ExitCode> {
  const asked = await fetchMembers(url, timeout, web);
  if (typeof asked === 'string') return failed(asked, io);
  // Only the leader knows how far the others are.
  const leader = asked.find(({ role }) => role === 'leader');
  const itself =
    leader === undefined
      ? asked
      : await fetchMembers(urlOfMember(url, leader.httpAddress), timeout, web);
  const members = typeof itself === 'string' ? asked : itself;
  const lines =
    output === 'json'
      ? [JSON.stringify(members, null, 2)]
      : output === 'jsonl'
        ? members.map((member) => JSON.stringify(member))
        : tableLines(COLUMNS, members);
  await new Output(io.stdout).lines(lines);
  return EXIT.ok;
}

async function fetchMembers(
  base: string,
  timeoutMs: number,
  web: WebClient | undefined,
): Promise<readonly Member[] | string> {
  const url = `${base}/tocsin/v1/members`;
  const answer = await call({ method: 'GET', url, timeoutMs, web });
  if (!answer.ok) return answer.message;
  if (answer.status !== 200) {
    return errorText(url, answer);
  }
  const parsed = z.array(memberSchema).safeParse(answer.json);
  return parsed.success ? parsed.data : `${url} is not a tocsin: it answered something else`;
}

type Change = Pick<Call, 'method' | 'body'> & { readonly path: string };

async function change(
  { path, ...what }: Change,
  { timeout, url, webClientConfig: web }: Flags,
  io: Terminals,
): Promise<ExitCode> {
  const answer = await call({ ...what, url: `${url}${path}`, timeoutMs: timeout, web });
  if (!answer.ok) return failed(answer.message, io);
  const { json, status } = answer;
  if (status === 200) {
    await new Output(io.stderr).lines(['done']);
    return EXIT.ok;
  }
  const message = typeof json === 'string' ? json : `${url} answered ${status}`;
  return failed(message, io, status < 500 ? EXIT.refused : EXIT.unavailable);
}

async function failed(
  message: string,
  { stderr }: Terminals,
  code: ExitCode = EXIT.unavailable,
): Promise<ExitCode> {
  await new Output(stderr).lines([`error: ${message}`]);
  return code;
}
