/** Certificates for HTTPS, made by openssl; each is its own CA. */

import { execFile, spawnSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';

export const hasOpenssl = spawnSync('openssl', ['version']).status === 0;

export interface WebCertificate {
  readonly certFile: string;
  readonly keyFile: string;
  readonly cert: string;
  readonly key: string;
}

/** For `localhost` and 127.0.0.1, good for a hundred years; `commonName` tells them apart. */
export async function webCertificate(folder: string, commonName: string): Promise<WebCertificate> {
  const certFile = `${folder}/${commonName}.crt`;
  const keyFile = `${folder}/${commonName}.key`;
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  const names = `subjectAltName=DNS:localhost,DNS:${commonName},IP:127.0.0.1`;
  const about = ['-days', '36500', '-subj', `/CN=${commonName}`, '-addext', names];
  const files = ['-out', certFile, '-keyout', keyFile];
  await promisify(execFile)('openssl', ['req', '-x509', ...curve, ...about, ...files]);
  const [cert, key] = await Promise.all([readFile(certFile, 'utf8'), readFile(keyFile, 'utf8')]);
  return { certFile, keyFile, cert, key };
}
