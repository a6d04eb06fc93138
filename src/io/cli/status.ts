/**
 * `tocsin status`: asks a running node how it is, and prints it as kubectl would.
 *
 * Promise: exit 0 means that the node answered and knows a leader; 4 that it does not, or that
 * nobody answered in time, with the address and the cause in the message.
 */

import { Command, InvalidArgumentError, Option } from 'commander';
import { Agent, request } from 'undici';
import { z } from 'zod';
import { parseDuration } from '../config/durations.ts';
import { EXIT, type ExitCode } from '../daemon/exit.ts';
import type { CommandIo, Terminals } from './command-io.ts';
import { Output } from './render-output.ts';
import { tableLines, type Column } from './render-table.ts';

const STATUS_FORMATS = ['table', 'json'] as const;

export interface StatusArgs {
  /** Where the node's HTTP is, with its `--http-prefix` if it has one. */
  readonly url: string;
  readonly timeoutMs: number;
  readonly format: (typeof STATUS_FORMATS)[number];
}

interface Flags {
  readonly url: string;
  readonly timeout: number;
  readonly output: StatusArgs['format'];
}

export function statusCommand(io: CommandIo): Command {
  return new Command('status')
    .description('show how a running node is')
    .addOption(
      new Option('--url <url>', 'where the node serves HTTP')
        .env('TOCSIN_URL')
        .default('http://127.0.0.1:9093')
        .argParser(parseUrl),
    )
    .addOption(
      new Option('--timeout <duration>', 'how long to wait for the answer')
        .env('TOCSIN_TIMEOUT')
        .default(5_000, '5s')
        .argParser(parseTimeout),
    )
    .addOption(
      new Option('-o, --output <format>', 'how to print it')
        .choices(STATUS_FORMATS)
        .default('table'),
    )
    .addHelpText('after', HELP)
    .action(async ({ url, timeout, output }: Flags) =>
      io.finish(await status({ url, timeoutMs: timeout, format: output }, io)),
    );
}

const HELP = `
Exit codes: 0 the node answered and knows a leader; 2 wrong usage; 4 no leader, or no answer.

Examples:
  tocsin status
  tocsin status --url http://10.0.0.7:9093/alerts -o json`;

/** Asks and prints; gives back the exit code. */
export async function status(
  { url, timeoutMs, format }: StatusArgs,
  { stdout, stderr }: Terminals,
): Promise<ExitCode> {
  const answer = await ask(`${url.replace(/\/+$/, '')}/tocsin/v1/status`, timeoutMs);
  if (!answer.ok) {
    await new Output(stderr).lines([`error: ${answer.message}`]);
    return EXIT.unavailable;
  }
  const lines =
    format === 'json' ? [JSON.stringify(answer.json, null, 2)] : tableLines(COLUMNS, [answer.node]);
  await new Output(stdout).lines(lines);
  if (answer.node.leader !== null) return EXIT.ok;
  await new Output(stderr).lines([`error: ${answer.node.name} knows no leader`]);
  return EXIT.unavailable;
}

/** What is read of the answer; it may say more. */
const nodeSchema = z.object({
  name: z.string(),
  role: z.string(),
  term: z.number(),
  leader: z.string().nullable(),
  ready: z.boolean(),
  commitIndex: z.number(),
  appliedIndex: z.number(),
  snapshotIndex: z.number(),
  tables: z.object({ series: z.number(), alerts: z.number(), silences: z.number() }),
});

type NodeAnswer = z.infer<typeof nodeSchema>;

const COLUMNS: readonly Column<NodeAnswer>[] = [
  { title: 'NAME', text: (node) => node.name },
  { title: 'ROLE', text: (node) => node.role },
  { title: 'LEADER', text: (node) => node.leader ?? '' },
  { title: 'READY', text: (node) => (node.ready ? 'yes' : 'no') },
  { title: 'TERM', text: (node) => String(node.term) },
  { title: 'COMMITTED', text: (node) => String(node.commitIndex) },
  { title: 'APPLIED', text: (node) => String(node.appliedIndex) },
  { title: 'SNAPSHOT', text: (node) => String(node.snapshotIndex) },
  { title: 'SERIES', text: (node) => String(node.tables.series) },
  { title: 'ALERTS', text: (node) => String(node.tables.alerts) },
  { title: 'SILENCES', text: (node) => String(node.tables.silences) },
];

type Answer =
  | { readonly ok: true; readonly node: NodeAnswer; readonly json: unknown }
  | { readonly ok: false; readonly message: string };

async function ask(url: string, timeoutMs: number): Promise<Answer> {
  const dispatcher = new Agent({ maxResponseSize: ANSWER_BYTES_MAX });
  try {
    const signal = AbortSignal.timeout(timeoutMs);
    const { statusCode, body } = await request(url, { dispatcher, signal });
    if (statusCode !== 200) return { ok: false, message: `${url} answered ${statusCode}` };
    const json = await body.json();
    const parsed = nodeSchema.safeParse(json);
    if (parsed.success) return { ok: true, node: parsed.data, json };
    return { ok: false, message: `${url} is not a tocsin: it answered something else` };
  } catch (error) {
    return { ok: false, message: `${url} gave no answer: ${causeOf(error as Error, timeoutMs)}` };
  } finally {
    await dispatcher.destroy();
  }
}

/** A status takes less than a kilobyte; whatever sends a thousand times that is something else. */
const ANSWER_BYTES_MAX = 1024 * 1024;

function causeOf(error: Error & { readonly code?: string }, timeoutMs: number): string {
  if (error.name === 'TimeoutError') return `nothing within ${timeoutMs} ms`;
  if (error instanceof SyntaxError) return 'what it answered is not JSON';
  // An address of many names fails with an error for each of them, and no message of its own.
  return error.message || (error.code ?? error.name);
}

function parseUrl(text: string): string {
  const url = text.includes('://') ? text : `http://${text}`;
  if (URL.canParse(url) && /^https?:\/\/./.test(url)) return url;
  throw new InvalidArgumentError('write for example http://127.0.0.1:9093.');
}

function parseTimeout(text: string): number {
  const parsed = parseDuration(text);
  if (parsed.ok && parsed.value > 0) return parsed.value;
  throw new InvalidArgumentError('write for example 5s.');
}
