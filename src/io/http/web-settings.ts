/**
 * Who may do what, and over which kind of connection: what the web configuration file says, with
 * the contents of the files that it names. It may change while the server runs.
 */

import type { SecureContextOptions } from 'node:tls';

/** What a caller may do; `admin` includes all others. */
export type Scope = 'read' | 'push' | 'silence' | 'admin';

export interface WebSettings {
  /** Null for plain HTTP. */
  readonly tls: TlsSettings | null;
  /** Whether HTTP/2 is offered; only with TLS. */
  readonly http2: boolean;
  /** Headers of every answer. */
  readonly headers: Readonly<Record<string, string>>;
  /** By name, with the bcrypt hash of the password. */
  readonly users: ReadonlyMap<string, { readonly hash: string; readonly scopes: readonly Scope[] }>;
  /** By the hex SHA-256 of the token. */
  readonly tokens: ReadonlyMap<
    string,
    { readonly name: string; readonly scopes: readonly Scope[] }
  >;
  /** One request each `intervalMs`, and `burst` at once; null for no limit. */
  readonly rateLimit: { readonly intervalMs: number; readonly burst: number } | null;
}

export interface TlsSettings {
  readonly context: SecureContextOptions;
  /** Equal for equal settings. */
  readonly fingerprint: string;
  /** The policy for certificates of clients, in Go's words. */
  readonly clientAuth:
    | 'NoClientCert'
    | 'RequestClientCert'
    | 'RequireClientCert'
    | 'RequireAnyClientCert'
    | 'VerifyClientCertIfGiven'
    | 'RequireAndVerifyClientCert';
  /** Names of which the certificate of a client must hold one; null for any. */
  readonly clientSans: readonly string[] | null;
}

/** Without a web configuration file: plain HTTP, and everybody may do everything. */
export const OPEN: WebSettings = {
  tls: null,
  http2: false,
  headers: {},
  users: new Map(),
  tokens: new Map(),
  rateLimit: null,
};

/** Whether a caller must say who it is. */
export function asksWho({ users, tokens }: WebSettings): boolean {
  return users.size > 0 || tokens.size > 0;
}
