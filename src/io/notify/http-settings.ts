/**
 * The headers, TLS options and proxy of an `http_config`, with the content of the files that it names.
 *
 * Promise: files are read for every attempt, so that a renewed password or certificate is used at
 * once; what was read is listed as secret. The meaning of the keys is that of prometheus/common
 * `HTTPClientConfig`.
 */

import { readFile } from 'node:fs/promises';
import type { ConnectionOptions, SecureVersion } from 'node:tls';
import type { HttpConfig } from '../config/http-config.ts';
import { basicAuthorization, CONNECT_MS_MAX, type Route } from '../http-client/connection.ts';
import { proxyUrls } from '../http-client/proxy.ts';
import { secretsOfUser } from './redaction.ts';

type TlsConfig = NonNullable<HttpConfig['tls_config']>;

/** How to reach a receiver, for one attempt. */
export interface HttpSettings {
  readonly route: Route;
  /** From the configuration; no other host may receive them. */
  readonly headers: Readonly<Record<string, string | string[]>>;
  /** Texts that no detail may show. */
  readonly secrets: readonly string[];
}

/** A setting that cannot be used now; the message names the setting and the problem. */
export class UnusableSetting extends Error {}

/** Reads the files that the configuration names. Throws {@link UnusableSetting}. */
export async function readHttpSettings(config: HttpConfig): Promise<HttpSettings> {
  if (config.oauth2 !== undefined) {
    throw new UnusableSetting('http_config.oauth2 is not supported; use authorization');
  }
  const headers = await readHeaders(config);
  return {
    route: {
      tls: await readTls(config.tls_config),
      proxy: proxyOf(config),
      connectMsMax: CONNECT_MS_MAX,
    },
    headers,
    secrets: [...Object.values(headers).flat().flatMap(wordsOf), ...proxySecrets(config)],
  };
}

/** The text of a file without the blanks around it, as Prometheus reads secrets. */
export async function readSecretFile(setting: string, file: string): Promise<string> {
  try {
    return (await readFile(file, 'utf8')).trim();
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unreadable';
    throw new UnusableSetting(`${setting}: cannot read ${file} (${code})`, { cause: error });
  }
}

async function readHeaders(config: HttpConfig): Promise<Record<string, string | string[]>> {
  const headers: Record<string, string | string[]> = {};
  for (const [name, header] of Object.entries(config.http_headers ?? {})) {
    const { values, secrets, files } = header ?? {};
    const read = (files ?? []).map((file) => readSecretFile(`http_headers.${name}`, file));
    headers[name.toLowerCase()] = [
      ...(values ?? []),
      ...(secrets ?? []),
      ...(await Promise.all(read)),
    ];
  }
  const authorization = await readAuthorization(config);
  return authorization === null ? headers : { ...headers, authorization };
}

async function readAuthorization(config: HttpConfig): Promise<string | null> {
  const { basic_auth: basic, authorization, bearer_token: token } = config;
  if (basic !== undefined) {
    const user = await inlineOrFile('basic_auth.username', basic.username, basic.username_file);
    const password = await inlineOrFile('basic_auth.password', basic.password, basic.password_file);
    return basicAuthorization(user, password);
  }
  if (authorization !== undefined) {
    const { type = 'Bearer', credentials, credentials_file: file } = authorization;
    return `${type} ${await inlineOrFile('authorization.credentials', credentials, file)}`;
  }
  const bearer = await inlineOrFile('bearer_token', token, config.bearer_token_file);
  return bearer === '' ? null : `Bearer ${bearer}`;
}

async function inlineOrFile(
  setting: string,
  inline: string | undefined,
  file: string | undefined,
): Promise<string> {
  if (file === undefined || file === '') return inline ?? '';
  return readSecretFile(`${setting}_file`, file);
}

function proxyOf(config: HttpConfig): Route['proxy'] {
  const {
    proxy_url: url = '',
    no_proxy: noProxy = '',
    proxy_connect_header: headers = {},
  } = config;
  if (url !== '') return { url, noProxy, headers };
  return config.proxy_from_environment === true ? { url: null, noProxy: null, headers } : null;
}

async function readTls(tls: Partial<TlsConfig> = {}): Promise<ConnectionOptions> {
  const ca = await inlineOrFile('tls_config.ca', tls.ca, tls.ca_file);
  const cert = await inlineOrFile('tls_config.cert', tls.cert, tls.cert_file);
  const key = await inlineOrFile('tls_config.key', tls.key, tls.key_file);
  return {
    ...(ca === '' ? {} : { ca }),
    ...(cert === '' ? {} : { cert }),
    ...(key === '' ? {} : { key }),
    ...((tls.server_name ?? '') === '' ? {} : { servername: tls.server_name }),
    ...(tls.insecure_skip_verify === true ? { rejectUnauthorized: false } : {}),
    ...versionOf('minVersion', tls.min_version),
    ...versionOf('maxVersion', tls.max_version),
  };
}

/** `TLS12` is `TLSv1.2` in Node.js, and `TLS10` is `TLSv1`. */
function versionOf(option: 'minVersion' | 'maxVersion', version: string | undefined): object {
  const minor = version?.at(-1);
  if (minor === undefined) return {};
  return { [option]: (minor === '0' ? 'TLSv1' : `TLSv1.${minor}`) as SecureVersion };
}

/** A header's value, each word of it, since a token may be quoted alone, and the pair that Basic encodes. */
function wordsOf(value: string): readonly string[] {
  const words = value.split(' ').slice(1);
  if (!/^basic /i.test(value)) return [value, ...words];
  const pair = Buffer.from(words.join(''), 'base64').toString();
  return [value, ...words, pair, pair.slice(pair.indexOf(':') + 1)];
}

function proxySecrets(config: HttpConfig): readonly string[] {
  const proxy = proxyOf(config);
  if (proxy === null) return [];
  const urls = proxyUrls(proxy).filter((url) => URL.canParse(url));
  const ofHeaders = Object.values(proxy.headers).flat().flatMap(wordsOf);
  return [...ofHeaders, ...urls.flatMap((url) => secretsOfUser(new URL(url)))];
}
