/** The web configuration of a running node: what a change of its files may take away, and what not. */

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { WebAccess } from '../../src/io/daemon/web-access.ts';
import { HandClock } from '../support/hand-clock.ts';
import { hasOpenssl, webCertificate } from '../support/web-certificates.ts';

const SILENT = { error() {}, warn() {}, info() {}, debug() {} };

it.skipIf(!hasOpenssl)(
  'a port that asks for certificates of its CA goes on to do so, whatever becomes of the file',
  async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'tocsin-'));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    const { certFile, keyFile } = await webCertificate(folder, 'server');
    const file = path.join(folder, 'web.yml');
    const write = (clients: string) =>
      writeFile(
        file,
        `tls_server_config: {cert_file: ${certFile}, key_file: ${keyFile}${clients}}\n`,
      );
    await write(`, client_ca_file: ${certFile}, client_auth_type: RequireAndVerifyClientCert`);
    const access = await WebAccess.open(file, { clock: new HandClock(0), logger: SILENT });

    for (const clients of [
      '',
      `, client_ca_file: ${certFile}, client_auth_type: VerifyClientCertIfGiven`,
      ', client_auth_type: RequireAnyClientCert',
    ]) {
      await write(clients);
      const reloaded = await access.reload();
      expect(reloaded).toMatchObject({ ok: false });
      expect(reloaded.ok ? '' : reloaded.message).toContain(
        'it takes away the certificates of clients: that needs a restart of the node',
      );
      expect(access.settings.tls?.clientAuth).toBe('RequireAndVerifyClientCert');
    }
  },
);
