/**
 * `--web-client-config`: how the subcommands prove to a node who they are. The file is the one that
 * amtool takes with `--http.config.file`.
 *
 * Promise: a key that this client cannot honour is refused, because a request without the protection
 * that somebody asked for is worse than none.
 */

import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { buildConnector } from 'undici';
import { httpConfig, withFilesIn, type HttpConfig } from '../config/http-config.ts';
import { problemText } from '../config/problems.ts';
import { Reader } from '../config/reader.ts';

export interface WebClient {
  /** The value of the header `Authorization`, or null. */
  readonly authorization: string | null;
  readonly tls: buildConnector.BuildOptions;
}

type ReadWebClient =
  | { readonly ok: true; readonly value: WebClient }
  | { readonly ok: false; readonly message: string };

const HONOURED = new Set([
  'basic_auth',
  'authorization',
  'bearer_token',
  'bearer_token_file',
  'tls_config',
  'follow_redirects',
  'enable_http2',
]);

const VERSIONS = { TLS10: 'TLSv1', TLS11: 'TLSv1.1', TLS12: 'TLSv1.2', TLS13: 'TLSv1.3' } as const;

/** Never throws. */
export function readWebClient(file: string): ReadWebClient {
  try {
    const emptyHint = 'add basic_auth, authorization or tls_config';
    const source = readFileSync(file, 'utf8');
    const reader = new Reader(source, { file, classicNames: false, emptyHint });
    const read =
      reader.problems.length > 0 ? undefined : reader.read(httpConfig, reader.sections, []);
    for (const key of read === undefined ? [] : Object.keys(reader.sections)) {
      if (!HONOURED.has(key) && reader.sections[key] !== null) {
        reader.problem([key], 'is not supported by this command', 'remove it');
      }
    }
    if (read === undefined || reader.problems.length > 0) {
      return { ok: false, message: reader.problems.map(problemText).join('\n') };
    }
    return { ok: true, value: clientOf(withFilesIn(dirname(file), read) as HttpConfig) };
  } catch (error) {
    return { ok: false, message: `${file}: ${(error as Error).message}` };
  }
}

function clientOf(config: HttpConfig): WebClient {
  const tls: Partial<NonNullable<HttpConfig['tls_config']>> = config.tls_config ?? {};
  const ca = contents(tls.ca, tls.ca_file, tls.ca_ref);
  const cert = contents(tls.cert, tls.cert_file, tls.cert_ref);
  const key = contents(tls.key, tls.key_file, tls.key_ref);
  return {
    authorization: authorizationOf(config),
    tls: {
      ...(ca === null ? {} : { ca }),
      ...(cert === null ? {} : { cert }),
      ...(key === null ? {} : { key }),
      ...(isGiven(tls.server_name) ? { servername: tls.server_name } : {}),
      ...(tls.insecure_skip_verify === true ? { rejectUnauthorized: false } : {}),
      ...(tls.min_version === undefined ? {} : { minVersion: versionOf(tls.min_version) }),
      ...(tls.max_version === undefined ? {} : { maxVersion: versionOf(tls.max_version) }),
    },
  };
}

function authorizationOf(config: HttpConfig): string | null {
  const { authorization, basic_auth: basic } = config;
  if (basic !== undefined) {
    const user = contents(basic.username, basic.username_file, basic.username_ref) ?? '';
    const password = contents(basic.password, basic.password_file, basic.password_ref) ?? '';
    return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
  }
  const credentials =
    contents(
      authorization?.credentials,
      authorization?.credentials_file,
      authorization?.credentials_ref,
    ) ?? contents(config.bearer_token, config.bearer_token_file, undefined);
  if (credentials === null) return null;
  const type = authorization?.type?.trim() ?? '';
  return `${type === '' ? 'Bearer' : type} ${credentials}`;
}

/** The text itself or that of the file. A reference names a secret manager, which is not here. */
function contents(
  text: string | undefined,
  file: string | undefined,
  reference: string | undefined,
): string | null {
  if (isGiven(reference)) throw new Error(`the reference "${reference}" leads to no secret here`);
  if (isGiven(text)) return text;
  return isGiven(file) ? readFileSync(file, 'utf8').trim() : null;
}

function versionOf(version: string): (typeof VERSIONS)[keyof typeof VERSIONS] {
  return VERSIONS[version as keyof typeof VERSIONS];
}

function isGiven(value: string | undefined): value is string {
  return value !== undefined && value !== '';
}
