/**
 * `--web-config`: reads the file and what it names, and keeps the HTTP server at what they say now.
 *
 * Promise: a broken file changes nothing and is reported with its place; a file that somebody is still
 * writing is not taken; no change of files, only a start, takes the protection away.
 */

import { constants, createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { createSecureContext, type SecureContextOptions } from 'node:tls';
import { readConfigText } from '../config/file.ts';
import { problemText } from '../config/problems.ts';
import { readWebFile, type WebSource, type WebTls, type WebToken } from '../config/web.ts';
import type { Reloaded } from '../http/modules.ts';
import { asksWho, type TlsSettings, type WebSettings } from '../http/web-settings.ts';
import type { Clock, Logger } from '../ports.ts';
import { StartupError } from './startup-error.ts';
import { warnOfReaders } from './secret-file.ts';

const FLAG = '--web-config';
/** A change is taken once the files have been the same for two looks. */
const LOOK_EVERY_MS = 1_000;
/** Shorter tokens can be guessed. */
const TOKEN_CHARACTERS_MIN = 16;

type Read =
  | {
      readonly ok: true;
      readonly settings: WebSettings;
      readonly files: readonly string[];
      /** Those of them that nobody else should read. */
      readonly secretFiles: readonly string[];
    }
  | { readonly ok: false; readonly message: string };

export interface WebAccessModules {
  readonly clock: Pick<Clock, 'after'>;
  readonly logger: Logger;
}

export class WebAccess {
  readonly #file: string;
  readonly #modules: WebAccessModules;
  #settings: WebSettings;
  #files: readonly string[];
  #secretFiles: readonly string[];
  #use: (settings: WebSettings) => void = () => undefined;
  #cancelLook: () => void = () => undefined;
  #isClosed = false;

  private constructor(
    file: string,
    read: Extract<Read, { readonly ok: true }>,
    modules: WebAccessModules,
  ) {
    this.#file = file;
    this.#settings = read.settings;
    this.#files = read.files;
    this.#secretFiles = read.secretFiles;
    this.#modules = modules;
  }

  /** Rejects with a {@link StartupError} that has every problem of the file. */
  static async open(file: string, modules: WebAccessModules): Promise<WebAccess> {
    const read = await readWebSettings(file);
    if (!read.ok) throw new StartupError(read.message);
    const access = new WebAccess(file, read, modules);
    await access.#warnOfReaders();
    return access;
  }

  get settings(): WebSettings {
    return this.#settings;
  }

  /** Gives `use` what the files say from now on. */
  async follow(use: (settings: WebSettings) => void): Promise<void> {
    this.#use = use;
    const seen = await this.#stamp();
    this.#lookLater(seen, seen);
  }

  close(): void {
    this.#isClosed = true;
    this.#cancelLook();
  }

  /** Reads the files again, whether they have changed or not. */
  async reload(): Promise<Reloaded> {
    const read = await readWebSettings(this.#file);
    const problem = read.ok ? this.#weakness(read.settings) : read.message;
    if (!read.ok || problem !== null) {
      const message = problem ?? '';
      this.#modules.logger.error('web configuration refused: the running one stays', {
        problems: message,
      });
      return { ok: false, message };
    }
    this.#settings = read.settings;
    this.#files = read.files;
    this.#secretFiles = read.secretFiles;
    if (!this.#isClosed) this.#use(read.settings);
    await this.#warnOfReaders();
    this.#modules.logger.info('web configuration applied', { file: this.#file });
    return { ok: true };
  }

  #warnOfReaders(): Promise<void> {
    const what = 'a key or a token of the web configuration';
    return warnOfReaders(what, this.#secretFiles, this.#modules.logger);
  }

  /** What a change may not take away; null for nothing. */
  #weakness(next: WebSettings): string | null {
    const lost = [
      ...(this.#settings.tls !== null && next.tls === null ? ['TLS'] : []),
      ...(asksCertificate(this.#settings) && !asksCertificate(next)
        ? ['the certificates of clients']
        : []),
      ...(asksWho(this.#settings) && !asksWho(next) ? ['all users and tokens'] : []),
    ];
    if (lost.length === 0) return null;
    return `${this.#file}: it takes away ${lost.join(' and ')}: that needs a restart of the node`;
  }

  #lookLater(applied: string, seenBefore: string): void {
    this.#cancelLook = this.#modules.clock.after(LOOK_EVERY_MS, () => {
      void this.#look(applied, seenBefore);
    });
  }

  async #look(applied: string, seenBefore: string): Promise<void> {
    const seen = await this.#stamp();
    const isNew = seen !== applied && seen === seenBefore;
    if (isNew && !this.#isClosed) await this.reload();
    if (!this.#isClosed) this.#lookLater(isNew ? await this.#stamp() : applied, seen);
  }

  /** Differs when a file was written, replaced, removed, or a link leads elsewhere. */
  async #stamp(): Promise<string> {
    const stamps = this.#files.map(async (file) => {
      const stats = await stat(file, { bigint: true }).catch(() => null);
      return stats === null ? 'missing' : `${stats.ino} ${stats.size} ${stats.mtimeNs}`;
    });
    return (await Promise.all(stamps)).join(',');
  }
}

async function readWebSettings(file: string): Promise<Read> {
  const source = await readConfigText(file, FLAG);
  if (!source.ok) return { ok: false, message: problemText(source.problem) };
  const read = readWebFile(source.value, file);
  if (!read.ok) return { ok: false, message: read.problems.map(problemText).join('\n') };
  const { tls, tokens, ...rest } = read.value;
  const files = new SourceFiles();
  const settings: WebSettings = {
    ...rest,
    tls: tls === null ? null : await tlsSettings(tls, files),
    tokens: await tokenTable(tokens, files),
  };
  if (files.problems.length > 0) return { ok: false, message: files.problems.join('\n') };
  return { ok: true, settings, files: [file, ...files.names], secretFiles: files.secrets };
}

/** Reads the files that the web configuration names, and notes what is wrong with them. */
class SourceFiles {
  readonly names: string[] = [];
  /** Those of them that hold keys and tokens. */
  readonly secrets: string[] = [];
  readonly problems: string[] = [];

  async read(source: WebSource): Promise<string | null> {
    if ('text' in source) return source.text;
    this.names.push(source.file);
    const text = await readConfigText(source.file, FLAG);
    if (text.ok) return text.value;
    return this.problem(source, `${source.file}: ${text.problem.message}`);
  }

  readSecret(source: WebSource): Promise<string | null> {
    if ('file' in source) this.secrets.push(source.file);
    return this.read(source);
  }

  problem({ at }: Pick<WebSource, 'at'>, message: string): null {
    this.problems.push(problemText({ ...at, message }));
    return null;
  }
}

async function tlsSettings(tls: WebTls, files: SourceFiles): Promise<TlsSettings | null> {
  const cert = await files.read(tls.certificate);
  const key = await files.readSecret(tls.key);
  const ca = tls.clientCa === null ? undefined : await files.read(tls.clientCa);
  if (cert === null || key === null || ca === null) return null;
  const context: SecureContextOptions = {
    cert,
    key,
    ...(ca === undefined ? {} : { ca }),
    minVersion: tls.minVersion,
    maxVersion: tls.maxVersion,
    ...(tls.ciphers === '' ? {} : { ciphers: tls.ciphers }),
    ...(tls.curves === '' ? {} : { ecdhCurve: tls.curves }),
    honorCipherOrder: tls.prefersServerCiphers,
    secureOptions: tls.prefersServerCiphers ? constants.SSL_OP_CIPHER_SERVER_PREFERENCE : 0,
  };
  try {
    createSecureContext({ cert, key });
  } catch (error) {
    const reason = (error as Error).message;
    return files.problem(tls.certificate, `certificate and key cannot be used: ${reason}`);
  }
  try {
    createSecureContext(context);
  } catch (error) {
    return files.problem(
      tls.clientCa ?? tls.certificate,
      `the TLS settings cannot be used: ${(error as Error).message}`,
    );
  }
  const { clientAuth, clientSans } = tls;
  const said = JSON.stringify([context, clientAuth, clientSans]);
  const fingerprint = createHash('sha256').update(said).digest('hex');
  return { context, fingerprint, clientAuth, clientSans };
}

async function tokenTable(
  tokens: readonly WebToken[],
  files: SourceFiles,
): Promise<WebSettings['tokens']> {
  const table = new Map<string, Pick<WebToken, 'name' | 'scopes'>>();
  for (const { name, scopes, secret } of tokens) {
    const digest = 'sha256' in secret ? secret.sha256 : await digestOf(secret, files);
    if (digest === null) continue;
    const other = table.get(digest);
    if (other !== undefined) {
      files.problem(secret, `${name} and ${other.name} are the same token`);
    }
    table.set(digest, { name, scopes });
  }
  return table;
}

async function digestOf(source: WebSource, files: SourceFiles): Promise<string | null> {
  const text = await files.readSecret(source);
  if (text === null) return null;
  const token = text.trim();
  if (token.length < TOKEN_CHARACTERS_MIN || /\s/.test(token)) {
    const rule = `a token is one word of at least ${TOKEN_CHARACTERS_MIN} characters`;
    return files.problem(source, `${rule}: openssl rand -hex 32 makes one`);
  }
  return createHash('sha256').update(token).digest('hex');
}

/** Whether nobody is served without a certificate of the client CA. */
function asksCertificate({ tls }: WebSettings): boolean {
  return tls?.clientAuth === 'RequireAndVerifyClientCert';
}

/** What an operator of a port that others reach should know; empty when all is well. */
export function exposure(host: string, settings: WebSettings | null): string[] {
  if (/^(?:127\.|::1$|\[::1\]$|::ffff:127\.|localhost$)/.test(host)) return [];
  if (settings === null) {
    return [
      'whoever reaches the HTTP port may read and change everything: give --web-config FILE, see docs/security.md',
    ];
  }
  const { tls } = settings;
  return [
    ...(!asksWho(settings) && !asksCertificate(settings)
      ? [
          'the file of --web-config names no users, tokens or client CA: everybody may do everything',
        ]
      : []),
    ...(asksWho(settings) && tls === null
      ? [
          'passwords and tokens cross the network in the clear: add tls_server_config to --web-config',
        ]
      : []),
  ];
}
