/** The PEM files of the peer port, as they are named on the command line. */

import { readFile } from 'node:fs/promises';
import type { TlsOptions } from '../net/certificates.ts';
import { StartupError } from './startup-error.ts';

/** Paths. */
export interface TlsFiles {
  readonly certificate: string;
  readonly key: string;
  readonly ca: string;
}

/** Rejects with a {@link StartupError} that names the flag. What is in the files is judged later. */
export async function readTlsFiles(files: TlsFiles): Promise<TlsOptions> {
  const [certificate, key, ca] = await Promise.all([
    read('--peer-cert', files.certificate),
    read('--peer-key', files.key),
    read('--peer-ca', files.ca),
  ]);
  return { certificate, key, ca };
}

function read(flag: string, file: string): Promise<Uint8Array> {
  return readFile(file).catch((error: Error) => {
    throw new StartupError(`${flag} ${file} cannot be read: ${error.message}.`);
  });
}
