/**
 * The web configuration file: Alertmanager's (prometheus/exporter-toolkit), and beside it tokens and
 * the scopes of users and tokens.
 *
 * Promise: a key that is not known here is refused with its place, because a protection that is
 * misspelt protects nothing. What other files hold is read elsewhere; their names come with the place
 * where they are written.
 */

import { dirname } from 'node:path';
import { getRounds } from 'bcryptjs';
import { LIMITS } from '../../commands/limits.ts';
import {
  exclusive,
  fields,
  flag,
  goDuration,
  leaf,
  list,
  maybe,
  name,
  pairs,
  refuse,
  text,
  whole,
} from './fields.ts';
import { withFilesIn } from './http-config.ts';
import { missingName } from './nearest.ts';
import { bad, good } from './parsed.ts';
import { pathText, type Path, type Problem } from './problems.ts';
import { Reader } from './reader.ts';

/** What a caller may do; each scope stands alone, and `admin` includes all others. */
const SCOPES = ['read', 'push', 'silence', 'admin'] as const;
export type WebScope = (typeof SCOPES)[number];

/** Each costs a row in memory and, once in a while, a comparison. */
const CREDENTIALS_MAX = 1_000;
/** A PEM file in the text itself. */
const PEM_MAX = 256 * 1024;
/** One comparison of cost 16 takes four seconds of a core. */
const BCRYPT_COST_MAX = 16;

const pem = maybe(text(PEM_MAX));
const fileName = maybe(text(LIMITS.labelValue));

function oneOf<T extends string>(words: readonly T[]) {
  return leaf<T>((value) => {
    const word = words.find((each) => each === value);
    return word === undefined
      ? bad(`"${value}" is not known here`, `write one of ${words.join(', ')}`)
      : good(word);
  });
}

const TLS_VERSIONS = {
  TLS10: 'TLSv1',
  TLS11: 'TLSv1.1',
  TLS12: 'TLSv1.2',
  TLS13: 'TLSv1.3',
} as const;
const tlsVersion = oneOf(Object.keys(TLS_VERSIONS) as (keyof typeof TLS_VERSIONS)[]);

const CLIENT_AUTH = [
  'NoClientCert',
  'RequestClientCert',
  'RequireClientCert',
  'RequireAnyClientCert',
  'VerifyClientCertIfGiven',
  'RequireAndVerifyClientCert',
] as const;

/** Go's names of cipher suites, and those of OpenSSL. */
const CIPHERS: Readonly<Record<string, string>> = {
  TLS_AES_128_GCM_SHA256: 'TLS_AES_128_GCM_SHA256',
  TLS_AES_256_GCM_SHA384: 'TLS_AES_256_GCM_SHA384',
  TLS_CHACHA20_POLY1305_SHA256: 'TLS_CHACHA20_POLY1305_SHA256',
  TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA: 'ECDHE-ECDSA-AES128-SHA',
  TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA: 'ECDHE-ECDSA-AES256-SHA',
  TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA: 'ECDHE-RSA-AES128-SHA',
  TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA: 'ECDHE-RSA-AES256-SHA',
  TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256: 'ECDHE-ECDSA-AES128-GCM-SHA256',
  TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384: 'ECDHE-ECDSA-AES256-GCM-SHA384',
  TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256: 'ECDHE-RSA-AES128-GCM-SHA256',
  TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384: 'ECDHE-RSA-AES256-GCM-SHA384',
  TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256: 'ECDHE-ECDSA-CHACHA20-POLY1305',
  TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256: 'ECDHE-RSA-CHACHA20-POLY1305',
};

const CURVES: Readonly<Record<string, string>> = {
  CurveP256: 'prime256v1',
  CurveP384: 'secp384r1',
  CurveP521: 'secp521r1',
  X25519: 'X25519',
};

const tlsServerConfig = fields({
  cert: pem,
  key: pem,
  client_ca: pem,
  cert_file: fileName,
  key_file: fileName,
  client_ca_file: fileName,
  client_auth_type: maybe(oneOf(['', ...CLIENT_AUTH])),
  client_allowed_sans: maybe(list(name(LIMITS.labelValue))),
  min_version: maybe(tlsVersion),
  max_version: maybe(tlsVersion),
  cipher_suites: maybe(list(oneOf(Object.keys(CIPHERS)))),
  prefer_server_cipher_suites: maybe(flag),
  curve_preferences: maybe(list(oneOf(Object.keys(CURVES)))),
}).superRefine((tls, context) => {
  exclusive(context, tls, ['cert', 'cert_file']);
  exclusive(context, tls, ['key', 'key_file']);
  exclusive(context, tls, ['client_ca', 'client_ca_file']);
  const hasCertificate = isGiven(tls.cert) || isGiven(tls.cert_file);
  const hasKey = isGiven(tls.key) || isGiven(tls.key_file);
  if (!hasCertificate) refuse(context, [], 'has no certificate', 'add cert_file');
  else if (!hasKey) refuse(context, [], 'has no key for its certificate', 'add key_file');
  const hasCa = isGiven(tls.client_ca) || isGiven(tls.client_ca_file);
  const type = tls.client_auth_type ?? '';
  const asks = type !== '' && type !== 'NoClientCert';
  if (hasCa && !asks) {
    const hint = 'add client_auth_type: RequireAndVerifyClientCert';
    refuse(context, [], 'has a client CA, and asks no client for a certificate', hint);
  }
  if (!hasCa && (type === 'RequireAndVerifyClientCert' || type === 'VerifyClientCertIfGiven')) {
    refuse(context, ['client_auth_type'], 'has no CA to verify with', 'add client_ca_file');
  }
  if (tls.client_allowed_sans !== undefined && !type.startsWith('Require')) {
    const hint = 'add client_auth_type: RequireAndVerifyClientCert';
    refuse(context, ['client_allowed_sans'], 'needs a certificate of each client', hint);
  }
  const { max_version: max = 'TLS13', min_version: min = 'TLS12' } = tls;
  if (max < min) refuse(context, ['max_version'], `is below min_version, ${min}`);
});

const headerValue = leaf((value) =>
  /^[\t\x20-\x7e]*$/.test(value) ? good(value) : bad('has characters that a header cannot hold'),
);

const httpServerConfig = fields({
  http2: maybe(flag),
  headers: maybe(
    fields({
      'Content-Security-Policy': maybe(headerValue),
      'X-Frame-Options': maybe(
        leaf((value) =>
          /^(?:|deny|sameorigin)$/i.test(value) ? good(value) : bad('must be deny or sameorigin'),
        ),
      ),
      'X-Content-Type-Options': maybe(
        leaf((value) => (/^(?:|nosniff)$/i.test(value) ? good(value) : bad('must be nosniff'))),
      ),
      'X-XSS-Protection': maybe(headerValue),
      'Strict-Transport-Security': maybe(headerValue),
    }),
  ),
});

const BCRYPT = /^\$2[aby]?\$\d\d\$[./A-Za-z0-9]{53}$/;

const bcryptHash = leaf((value) => {
  if (!BCRYPT.test(value)) {
    return bad('is not a bcrypt hash', 'make one with htpasswd -nBC 10 "" | tr -d ":\\n"');
  }
  const cost = getRounds(value);
  return cost >= 4 && cost <= BCRYPT_COST_MAX
    ? good(value)
    : bad(
        `has cost ${cost}, and it may be 4 to ${BCRYPT_COST_MAX}`,
        'hash the password with cost 10',
      );
});

const scopes = list(oneOf(SCOPES)).refine((all) => all.length > 0, {
  error: `is empty; write one or more of ${SCOPES.join(', ')}`,
});

const token = fields({
  name: name(LIMITS.name),
  scopes,
  token_file: fileName,
  sha256: maybe(
    leaf((value) =>
      /^[0-9a-fA-F]{64}$/.test(value)
        ? good(value.toLowerCase())
        : bad('is not a SHA-256 in 64 hex digits', 'take it from: printf %s "$TOKEN" | sha256sum'),
    ),
  ),
}).superRefine((given, context) => {
  exclusive(context, given, ['token_file', 'sha256']);
  if (!isGiven(given.token_file) && given.sha256 === undefined) {
    refuse(context, [], 'has no secret', 'add token_file or sha256');
  }
});

const rateLimit = fields({ interval: maybe(goDuration), burst: maybe(whole(0, 1_000_000)) });

const webFile = fields({
  tls_server_config: maybe(tlsServerConfig),
  http_server_config: maybe(httpServerConfig),
  basic_auth_users: maybe(pairs(bcryptHash)),
  basic_auth_scopes: maybe(pairs(scopes)),
  tokens: maybe(list(token)),
  rate_limit: maybe(rateLimit),
});

/** A secret or certificate: in the text, or in a file that `at` names for messages. */
export type WebSource =
  | { readonly text: string; readonly at: Problem }
  | { readonly file: string; readonly at: Problem };

export interface WebTls {
  readonly certificate: WebSource;
  readonly key: WebSource;
  readonly clientCa: WebSource | null;
  readonly clientAuth: (typeof CLIENT_AUTH)[number];
  /** Null for every name. */
  readonly clientSans: readonly string[] | null;
  readonly minVersion: 'TLSv1' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3';
  readonly maxVersion: 'TLSv1' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3';
  /** As OpenSSL writes them; empty for its default. */
  readonly ciphers: string;
  readonly prefersServerCiphers: boolean;
  readonly curves: string;
}

export interface WebToken {
  readonly name: string;
  readonly scopes: readonly WebScope[];
  /** The token in a file, or its hex SHA-256. */
  readonly secret: WebSource | { readonly sha256: string; readonly at: Problem };
}

export interface WebFile {
  readonly tls: WebTls | null;
  readonly http2: boolean;
  readonly headers: Readonly<Record<string, string>>;
  readonly users: ReadonlyMap<
    string,
    { readonly hash: string; readonly scopes: readonly WebScope[] }
  >;
  readonly tokens: readonly WebToken[];
  readonly rateLimit: { readonly intervalMs: number; readonly burst: number } | null;
}

export type ReadWebFile =
  | { readonly ok: true; readonly value: WebFile }
  | { readonly ok: false; readonly problems: readonly Problem[] };

const EMPTY_HINT = 'add tls_server_config, basic_auth_users or tokens, or leave the flag out';

/** Reads the text of `file`; names of files in it are relative to its folder. */
export function readWebFile(source: string, file: string): ReadWebFile {
  const reader = new Reader(source, { file, classicNames: false, emptyHint: EMPTY_HINT });
  // What cannot be read at all has no sections, and one problem.
  const read = reader.problems.length > 0 ? undefined : reader.read(webFile, reader.sections, []);
  if (read === undefined) return { ok: false, problems: reader.problems };
  const at = (path: Path): Problem => {
    return { file, ...reader.placeOf(path), path: pathText(path), message: '', hint: '' };
  };
  const users = new Map((read.basic_auth_users ?? []).map(([user, hash]) => [user, hash]));
  const scopesOf = new Map(read.basic_auth_scopes ?? []);
  for (const user of users.keys()) {
    if (user.includes(':')) reader.problem(['basic_auth_users', user], 'a user name has no colon');
  }
  for (const user of scopesOf.keys()) {
    if (users.has(user)) continue;
    const { message, hint } = missingName('user', user, [...users.keys()]);
    reader.problem(['basic_auth_scopes', user], message, hint);
  }
  const tokens = (read.tokens ?? []).map((each, i): WebToken => {
    const path = ['tokens', i, each.sha256 === undefined ? 'token_file' : 'sha256'];
    const secret =
      each.sha256 === undefined
        ? { file: inFolder(file, each.token_file), at: at(path) }
        : { sha256: each.sha256, at: at(path) };
    return { name: each.name, scopes: each.scopes, secret };
  });
  const names = tokens.map((each) => each.name);
  for (const [i, each] of names.entries()) {
    if (names.indexOf(each) < i) {
      reader.problem(
        ['tokens', i, 'name'],
        `"${each}" stands twice`,
        'give each token a name of its own',
      );
    }
  }
  if (users.size + tokens.length > CREDENTIALS_MAX) {
    reader.problem([], `has over ${CREDENTIALS_MAX} users and tokens`);
  }
  if (reader.problems.length > 0) return { ok: false, problems: reader.problems };
  const headers = Object.entries(read.http_server_config?.headers ?? {}).filter(
    (pair): pair is [string, string] => isGiven(pair[1]),
  );
  const { interval = 0, burst = 0 } = read.rate_limit ?? {};
  return {
    ok: true,
    value: {
      tls: read.tls_server_config === undefined ? null : tlsOf(read.tls_server_config, file, at),
      http2: read.http_server_config?.http2 ?? true,
      headers: Object.fromEntries(headers),
      users: new Map(
        [...users].map(([user, hash]) => [user, { hash, scopes: scopesOf.get(user) ?? SCOPES }]),
      ),
      tokens,
      rateLimit: interval === 0 ? null : { intervalMs: interval, burst },
    },
  };
}

function tlsOf(
  tls: NonNullable<ReturnType<(typeof webFile)['parse']>['tls_server_config']>,
  file: string,
  at: (path: Path) => Problem,
): WebTls {
  const source = (key: 'cert' | 'key' | 'client_ca'): WebSource => {
    const inline = tls[key];
    if (isGiven(inline)) return { text: inline, at: at(['tls_server_config', key]) };
    const path = ['tls_server_config', `${key}_file`];
    return { file: inFolder(file, tls[`${key}_file`]), at: at(path) };
  };
  const suites = (tls.cipher_suites ?? []).map((suite) => CIPHERS[suite] ?? suite);
  // As in Go, the list is about TLS 1.2 and below.
  const all = new Set([...suites, ...Object.keys(CIPHERS).slice(0, 3)]);
  return {
    certificate: source('cert'),
    key: source('key'),
    clientCa: isGiven(tls.client_ca) || isGiven(tls.client_ca_file) ? source('client_ca') : null,
    clientAuth: CLIENT_AUTH.find((type) => type === tls.client_auth_type) ?? 'NoClientCert',
    clientSans: tls.client_allowed_sans ?? null,
    minVersion: TLS_VERSIONS[tls.min_version ?? 'TLS12'],
    maxVersion: TLS_VERSIONS[tls.max_version ?? 'TLS13'],
    ciphers: suites.length === 0 ? '' : [...all].join(':'),
    prefersServerCiphers: tls.prefer_server_cipher_suites ?? true,
    curves: (tls.curve_preferences ?? []).map((curve) => CURVES[curve] ?? curve).join(':'),
  };
}

function inFolder(file: string, named: string | undefined): string {
  return (withFilesIn(dirname(file), { it_file: named }) as { it_file: string }).it_file;
}

function isGiven(value: string | undefined): value is string {
  return value !== undefined && value !== '';
}
