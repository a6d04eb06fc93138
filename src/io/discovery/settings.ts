/**
 * What a person writes of etcd on the command line: its URLs and the name of the cluster.
 *
 * Promise: what is accepted can be used as it is; a refusal is a sentence that shows what was
 * written, without the password, and how to write it.
 */

export interface EtcdSettings {
  /** `http://HOST:PORT` or `https://HOST:PORT`, all of one kind, without credentials. */
  readonly hosts: readonly string[];
  readonly auth: EtcdAuth | null;
}

export interface EtcdAuth {
  readonly username: string;
  readonly password: string;
}

/** `message` is for the person who wrote it. */
export type Refused = { readonly ok: false; readonly message: string };

/** The port on which etcd listens for clients when nobody says otherwise. */
const DEFAULT_PORT = 2379;

/** Reads `URL[,URL]`. All URLs are members of one etcd cluster, so they share their credentials. */
export function parseEtcdUrls(
  text: string,
): { readonly ok: true; readonly settings: EtcdSettings } | Refused {
  const urls: ParsedUrl[] = [];
  for (const part of text.split(',')) {
    const parsed = parseUrl(part.trim());
    if (!parsed.ok) return parsed;
    urls.push(parsed);
  }
  if (new Set(urls.map(({ scheme }) => scheme)).size > 1) {
    return refused(text, 'mixes http and https', 'use one of them for all members of etcd');
  }
  const pairs = urls.flatMap(({ auth }) => (auth === null ? [] : [auth]));
  if (new Set(pairs.map((pair) => JSON.stringify(pair))).size > 1) {
    return refused(text, 'has different credentials', 'give the same ones, or give them once');
  }
  const hosts = new Set(urls.map(({ scheme, address }) => `${scheme}://${address}`));
  return { ok: true, settings: { hosts: [...hosts], auth: pairs[0] ?? null } };
}

/** Checks the name under which a cluster finds itself; it becomes a part of keys in etcd. */
export function parseClusterName(text: string): { readonly ok: true } | Refused {
  if (/^[\w.-]{1,64}$/.test(text)) return { ok: true };
  return {
    ok: false,
    message: `--cluster ${JSON.stringify(text)}: use 1 to 64 letters, digits, '-', '_' or '.'.`,
  };
}

interface ParsedUrl {
  readonly ok: true;
  readonly scheme: string;
  /** `HOST:PORT`, with brackets around an IPv6 address. */
  readonly address: string;
  readonly auth: EtcdAuth | null;
}

// `new URL` would do, but it forgets a port that is the usual one of the web.
const URL_SHAPE =
  /^(https?):\/\/(?:([^@/?#]*)@)?(\[[\da-f:.]+\]|[\p{L}\p{N}_.-]+)(?::(\d{1,5}))?\/?$/iu;

function parseUrl(text: string): ParsedUrl | Refused {
  const [, scheme = '', credentials, host = '', portText] = URL_SHAPE.exec(text) ?? [];
  if (scheme === '') return refused(text, 'is no address of etcd', EXAMPLE);
  const port = portText === undefined ? DEFAULT_PORT : Number(portText);
  if (port === 0 || port > 65_535) return refused(text, `has no port ${portText}`, EXAMPLE);
  const auth = credentials === undefined ? null : parseCredentials(credentials);
  if (auth === undefined) {
    return refused(text, 'has credentials that cannot be read', CREDENTIALS_EXAMPLE);
  }
  const address = `${host.toLowerCase()}:${port}`;
  return { ok: true, scheme: scheme.toLowerCase(), address, auth };
}

const EXAMPLE = `write http://HOST:${DEFAULT_PORT} or https://HOST:${DEFAULT_PORT}`;
const CREDENTIALS_EXAMPLE = 'write USER:PASSWORD@, with other signs than letters and digits as %XX';

/** Undefined when they cannot be read. */
function parseCredentials(text: string): EtcdAuth | undefined {
  const [, username = '', password = ''] = /^([^:]+):([^:]+)$/.exec(text) ?? [];
  if (username === '') return undefined;
  try {
    return { username: decodeURIComponent(username), password: decodeURIComponent(password) };
  } catch {
    return undefined;
  }
}

function refused(text: string, problem: string, hint: string): Refused {
  const shown = text
    .split(',')
    .map((url) => url.replace(/^(\w+:\/\/)?.*@/, '$1***@'))
    .join(',');
  return { ok: false, message: `--etcd ${JSON.stringify(shown)} ${problem}: ${hint}.` };
}
