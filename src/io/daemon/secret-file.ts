/**
 * The file of `--cluster-secret-file`: read at the start, at SIGHUP and when it changes.
 *
 * Promise: a file that cannot be read, or holds no secret, changes nothing while the node runs.
 */

import { readFile, stat } from 'node:fs/promises';
import { parseSecrets } from '../net/secret.ts';
import type { Clock, Logger } from '../ports.ts';
import { StartupError } from './startup-error.ts';

/** Rejects with a {@link StartupError} that names the flag. */
export async function readSecretFile(file: string): Promise<readonly string[]> {
  try {
    return parseSecrets(await readFile(file, 'utf8'));
  } catch (error) {
    throw new StartupError(
      `--cluster-secret-file ${file} cannot be used: ${(error as Error).message}.`,
    );
  }
}

/** Says of each file of a secret that others than its owner may read it; `what` names the secret. */
export async function warnOfReaders(
  what: string,
  files: readonly string[],
  logger: Logger,
): Promise<void> {
  for (const file of files) {
    const found = await stat(file).catch(() => null);
    if (found === null || (found.mode & 0o077) === 0) continue;
    logger.warn(`others than its owner may read ${what}`, { file, hint: `chmod 600 ${file}` });
  }
}

/** A file changes by a rename, on a network disk or in a container: none of which is always told. */
const LOOK_EVERY_MS = 5_000;

export interface SecretFileOptions {
  readonly file: string;
  readonly secrets: readonly string[];
  readonly clock: Clock;
  readonly logger: Logger;
  readonly onChange: (secrets: readonly string[]) => void;
}

export class SecretFile {
  readonly #options: SecretFileOptions;
  #secrets: string;
  #problem: string | null = null;
  #cancel: () => void = () => undefined;
  #isStopped = false;

  constructor(options: SecretFileOptions) {
    this.#options = options;
    this.#secrets = JSON.stringify(options.secrets);
    this.#waitAndLook();
  }

  /** Reads the file now. */
  async look(): Promise<void> {
    const { file, logger, onChange } = this.#options;
    try {
      const secrets = await readSecretFile(file);
      if (this.#isStopped) return;
      this.#problem = null;
      const text = JSON.stringify(secrets);
      if (text === this.#secrets) return;
      this.#secrets = text;
      onChange(secrets);
      logger.info('secret of the cluster changed', { file, accepted: secrets.length });
    } catch (error) {
      const { message } = error as Error;
      if (message !== this.#problem) {
        logger.error('secret of the cluster not read: the one before stays', { problem: message });
      }
      this.#problem = message;
    }
  }

  stop(): void {
    this.#isStopped = true;
    this.#cancel();
  }

  #waitAndLook(): void {
    this.#cancel = this.#options.clock.after(LOOK_EVERY_MS, () => {
      void this.look().finally(() => {
        if (!this.#isStopped) this.#waitAndLook();
      });
    });
  }
}
