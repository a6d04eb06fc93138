/** An etcd that wants to know who asks, and one that speaks through TLS. */

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { openEtcdDiscovery } from '../../src/io/discovery/etcd-discovery.ts';
import { KeepingLogger, realClock } from '../monitors/world.ts';
import { CERTIFICATE, KEY } from './certificate.ts';
import { Etcd, hasEtcd, node, patience, seeker, until, type EtcdFiles } from './etcd.ts';

afterEach(() => {
  vi.unstubAllEnvs();
});

describe.skipIf(!hasEtcd)('an etcd with users', () => {
  it('lets in who has the password, also after it was restarted', async () => {
    const etcd = await guarded();
    const { discovery, said } = await seeker(etcd.url.replace('//', '//root:p%40ss@'));
    expect(await discovery.claim(node(1).nodeId, 'c', patience())).toMatchObject({ founder: true });
    discovery.announce(node(1));
    await until(async () => (await discovery.addresses()).length === 1);
    await etcd.kill();
    await until(() => said().includes('etcd away'));
    await etcd.start();
    // It has forgotten everybody who had shown the password.
    await until(() => said().includes('etcd back'));
    expect(await discovery.addresses()).toEqual([node(1)]);
  });

  it('says that the password is wrong, and shows it nowhere', async () => {
    const etcd = await guarded();
    const { discovery, logger } = await seeker(etcd.url.replace('//', '//root:sesame@'));
    const stop = new AbortController();
    const claimed = discovery.claim(node(1).nodeId, 'c', stop.signal);
    const ended = claimed.catch((error: unknown) => error);
    await until(() => logger.lines.length > 0);
    expect(logger.lines[0]?.fields['error']).toContain('invalid user ID or password');
    expect(JSON.stringify(logger.lines)).not.toContain('sesame');
    stop.abort(new Error('told to stop'));
    expect(await ended).toEqual(new Error('told to stop'));
  });

  it('says so when a password is missing', async () => {
    const etcd = await guarded();
    const { discovery } = await seeker(etcd.url);
    await expect(discovery.addresses()).rejects.toThrow('user name is empty');
  });
});

async function guarded(): Promise<Etcd> {
  const etcd = await Etcd.start();
  const user = await etcd.client.user('root').create('p@ss');
  await etcd.client.role('root').create();
  await user.addRole('root');
  await etcd.client.auth.authEnable();
  return etcd;
}

describe.skipIf(!hasEtcd)('an etcd behind TLS', () => {
  it('is used when the system trusts its authority', async () => {
    const files = await certificateFiles();
    const etcd = await Etcd.start(files);
    vi.stubEnv('SSL_CERT_FILE', files.certificate);
    const { discovery } = await seeker(etcd.url);
    discovery.announce(node(1));
    await until(async () => (await discovery.addresses()).length === 1);
    expect(await discovery.claim(node(1).nodeId, 'c', patience())).toMatchObject({ founder: true });
  });

  it('is used when Node.js is told to trust its authority, beside the system', async () => {
    const files = await certificateFiles();
    const etcd = await Etcd.start(files);
    vi.stubEnv('NODE_EXTRA_CA_CERTS', files.certificate);
    const { discovery } = await seeker(etcd.url);
    expect(await discovery.addresses()).toEqual([]);
  });

  it('is refused when nobody vouches for it', async () => {
    const etcd = await Etcd.start(await certificateFiles());
    const { discovery } = await seeker(etcd.url);
    await expect(discovery.addresses()).rejects.toThrow('self-signed certificate');
  });
});

describe('what is written wrongly', () => {
  const modules = { clock: realClock, logger: new KeepingLogger() };

  it.each([
    ['etcd:2379', 'tocsin', '--etcd "etcd:2379" is no address of etcd'],
    ['http://etcd', 'a/b', '--cluster "a/b"'],
  ])('is refused before anything is opened: %s, %s', async (urls, cluster, message) => {
    const opened = await openEtcdDiscovery({ urls, cluster }, modules);
    expect(opened).toMatchObject({ ok: false });
    expect(opened).toHaveProperty('message', expect.stringContaining(message));
  });

  it('a file of authorities that is not there is named', async () => {
    vi.stubEnv('SSL_CERT_FILE', '/nowhere/authorities.pem');
    const opened = await openEtcdDiscovery({ urls: 'https://etcd', cluster: 'tocsin' }, modules);
    expect(opened).toHaveProperty('message', expect.stringContaining('SSL_CERT_FILE'));
    expect(opened).toHaveProperty('message', expect.stringContaining('/nowhere/authorities.pem'));
  });
});

async function certificateFiles(): Promise<EtcdFiles> {
  const folder = await mkdtemp(path.join(tmpdir(), 'tocsin-tls-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const files = { certificate: path.join(folder, 'c.pem'), key: path.join(folder, 'k.pem') };
  await writeFile(files.certificate, CERTIFICATE);
  await writeFile(files.key, KEY);
  return files;
}
