/**
 * How the subcommands talk with a running node: one request, one JSON answer, and a sentence for
 * everything that can go wrong in between.
 */

import { InvalidArgumentError, Option } from 'commander';
import { Agent, request } from 'undici';
import { parseDuration } from '../config/durations.ts';
import { env } from './environment.ts';
import { readWebClient, type WebClient } from './web-client.ts';

export interface Call {
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly url: string;
  readonly body?: unknown;
  readonly timeoutMs: number;
  /** Who asks, and what it takes for proof of the node; undefined for nobody over plain HTTP. */
  readonly web: WebClient | undefined;
}

export type CallAnswer =
  | { readonly ok: true; readonly status: number; readonly json: unknown }
  | { readonly ok: false; readonly message: string };

/** A status takes kilobytes; whatever sends a thousand times that is something else. */
const ANSWER_BYTES_MAX = 4 * 1024 * 1024;

/** Never rejects. An answer with an error status is an answer. */
export async function call({ body, method, timeoutMs, url, web }: Call): Promise<CallAnswer> {
  const dispatcher = new Agent({
    maxResponseSize: ANSWER_BYTES_MAX,
    ...(web === undefined ? {} : { connect: web.tls }),
  });
  const authorization = web?.authorization ?? null;
  try {
    const answer = await request(url, {
      dispatcher,
      method,
      signal: AbortSignal.timeout(timeoutMs),
      headers: {
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(authorization === null ? {} : { authorization }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if (answer.statusCode === 401) {
      return { ok: false, message: `${url} asks for credentials: ${CREDENTIALS_HINT}` };
    }
    const text = await answer.body.text();
    return { ok: true, status: answer.statusCode, json: jsonOf(text, answer.statusCode) };
  } catch (error) {
    return { ok: false, message: `${url} gave no answer: ${causeOf(error as Error, timeoutMs)}` };
  } finally {
    await dispatcher.destroy();
  }
}

/** What an answer with an error status says. */
export function errorText(
  url: string,
  { json, status }: { readonly json: unknown; readonly status: number },
): string {
  const reason = typeof json === 'string' && json !== '' ? `: ${json}` : '';
  return `${url} answered ${status}${reason}`;
}

const CREDENTIALS_HINT = 'give right ones in the file of --web-client-config';

function jsonOf(text: string, status: number): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    // An error page of a proxy need not be JSON to be understood.
    if (status >= 400) return text;
    throw error;
  }
}

function causeOf(error: Error & { readonly code?: string }, timeoutMs: number): string {
  if (error.name === 'TimeoutError') return `nothing within ${timeoutMs} ms`;
  if (error instanceof SyntaxError) return 'what it answered is not JSON';
  // An address of many names fails with an error for each of them, and no message of its own.
  return error.message || (error.code ?? error.name);
}

/** The flags that say where the node is, how long to wait, and who asks. */
export function nodeOptions(): readonly [url: Option, timeout: Option, web: Option] {
  return [
    env(new Option('--url <url>', 'where the node serves HTTP'))
      .default('http://127.0.0.1:9093')
      .argParser(parseUrl),
    env(new Option('--timeout <duration>', 'how long to wait for the answer'))
      .default(5_000, '5s')
      .argParser(parseTimeout),
    env(
      new Option('--web-client-config <file>', "credentials and TLS: amtool's http.config.file"),
    ).argParser(parseWebClient),
  ];
}

function parseUrl(text: string): string {
  const url = text.includes('://') ? text : `http://${text}`;
  if (URL.canParse(url) && /^https?:\/\/./.test(url)) return url.replace(/\/+$/, '');
  throw new InvalidArgumentError('write for example http://127.0.0.1:9093.');
}

function parseTimeout(text: string): number {
  const parsed = parseDuration(text);
  if (parsed.ok && parsed.value > 0) return parsed.value;
  throw new InvalidArgumentError('write for example 5s.');
}

function parseWebClient(file: string): WebClient {
  const read = readWebClient(file);
  if (read.ok) return read.value;
  throw new InvalidArgumentError(read.message);
}

/** The same place on another member: its own host and port, the scheme and prefix of `url`. */
export function urlOfMember(url: string, httpAddress: string): string {
  const other = new URL(url);
  other.host = httpAddress;
  return other.href.replace(/\/+$/, '');
}
