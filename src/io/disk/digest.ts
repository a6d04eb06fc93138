/** The checksums of the log, by Node's own zlib and OpenSSL. */

import { createHash, hash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import type { Digest } from '../../log/disk.ts';

export const nodeDigest: Digest = { crc32, sha256 };

function sha256(...parts: readonly Uint8Array[]): Uint8Array {
  const [only] = parts;
  if (parts.length === 1 && only !== undefined) {
    // One call in place of three, and text in place of a Buffer: a third of the time for an entry.
    return Buffer.from(hash('sha256', only, 'hex'), 'hex');
  }
  const whole = createHash('sha256');
  for (const part of parts) whole.update(part);
  return whole.digest();
}
