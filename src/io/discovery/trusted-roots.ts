/**
 * The certificate authorities that this machine trusts.
 *
 * Node.js brings a list of its own and does not look at that of the system, where people put the
 * authority of their company, which is the one that has signed their etcd.
 */

import { readFile } from 'node:fs/promises';
import { rootCertificates } from 'node:tls';
import type { Refused } from './settings.ts';

/** Where systems keep all that they trust in one file, as other programs look for it. */
const BUNDLES = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/ssl/cert.pem',
];

/**
 * The file that SSL_CERT_FILE names, or else the system's, or else the list of Node.js; and always
 * what NODE_EXTRA_CA_CERTS names.
 */
export async function readTrustedRoots(): Promise<
  { readonly ok: true; readonly pem: Buffer } | Refused
> {
  const { SSL_CERT_FILE: only, NODE_EXTRA_CA_CERTS: extra } = process.env;
  try {
    const roots = only ? await readFile(only, 'utf8') : await systemRoots();
    const added = extra ? await readFile(extra, 'utf8') : '';
    return { ok: true, pem: Buffer.from(`${roots}\n${added}`) };
  } catch (error) {
    const named = only ? 'SSL_CERT_FILE or NODE_EXTRA_CA_CERTS' : 'NODE_EXTRA_CA_CERTS';
    const { message } = error as Error;
    return { ok: false, message: `--etcd: ${named} names no file of certificates: ${message}.` };
  }
}

async function systemRoots(): Promise<string> {
  for (const file of BUNDLES) {
    const text = await readFile(file, 'utf8').catch(() => null);
    if (text !== null) return text;
  }
  return rootCertificates.join('\n');
}
