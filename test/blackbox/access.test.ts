/** `--web-config` with the programs of other people, and changes of its files while a node runs. */

import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { rename, writeFile } from 'node:fs/promises';
import { expect, it, onTestFinished } from 'vitest';
import { hasOpenssl, webCertificate, type WebCertificate } from '../support/web-certificates.ts';
import { freePort } from '../discovery/etcd.ts';
import {
  command,
  configFile,
  has,
  Receiver,
  refused,
  scratch,
  start,
  tocsin,
  until,
} from './program.ts';

const CONFIG = `
route: {receiver: team, group_by: [alertname], group_wait: 0s, group_interval: 1s}
receivers: [{name: team, webhook_configs: [{url: 'URL'}]}]
`;
/** bcrypt of `ann-pass` as htpasswd makes it. */
const ANN = '$2b$10$Dbokpt62uFCA7N.wHdnc.epidMbT4RlN6ao0nwvreQNg4dR1qbpCe';
const PUSH = 'push-token-0123456789abcdef';
const ADMIN = 'admin-token-0123456789abcdef';

const amtoolHere = await has('amtool');
const prometheusHere = await has('prometheus');
const curlHere = await has('curl');

async function secured(certificate: WebCertificate | null, folder: string) {
  const receiver = await Receiver.listen();
  const config = await configFile(folder, CONFIG.replace('URL', receiver.url));
  const web = `${folder}/web.yml`;
  const tls =
    certificate === null
      ? ''
      : `tls_server_config: {cert_file: ${certificate.certFile}, key_file: ${certificate.keyFile}}\n`;
  await writeFile(`${folder}/push.token`, `${PUSH}\n`);
  const sha256 = createHash('sha256').update(ADMIN).digest('hex');
  const text = `${tls}basic_auth_users: {ann: ${ANN}}
tokens:
- {name: prometheus, scopes: [push], token_file: push.token}
- {name: operator, scopes: [admin], sha256: ${sha256}}
`;
  await writeFile(web, text);
  const daemon = await start({
    config,
    dataDir: `${folder}/data`,
    flags: ['--web-config', web],
  });
  const scheme = certificate === null ? 'http' : 'https';
  const url = `${scheme}://${daemon.addresses.http}`;
  return { daemon, receiver, text, url, web };
}

it.runIf(hasOpenssl && curlHere && amtoolHere)(
  'curl, amtool and tocsin work over TLS with their own files, and not without',
  async () => {
    const folder = await scratch();
    const certificate = await webCertificate(folder, 'server');
    const { url } = await secured(certificate, folder);
    const ca = ['--cacert', certificate.certFile];
    const curl = async (...args: string[]) =>
      (
        await command(
          'curl',
          '-s',
          '-o',
          `${folder}/out`,
          '-w',
          '%{http_code} %{http_version}',
          ...ca,
          ...args,
        )
      ).stdout;
    expect(await curl(`${url}/-/ready`)).toBe('200 2');
    expect(await curl('--http1.1', `${url}/api/v2/alerts`)).toBe('401 1.1');
    expect(await curl('-u', 'ann:ann-pass', `${url}/api/v2/alerts`)).toBe('200 2');
    expect(await curl('-u', 'ann:wrong', `${url}/api/v2/alerts`)).toBe('401 2');
    expect(await curl('-H', `Authorization: Bearer ${PUSH}`, `${url}/api/v2/alerts`)).toBe('403 2');

    const http = `${folder}/http.yml`;
    await writeFile(
      http,
      `basic_auth: {username: ann, password: ann-pass}\ntls_config: {ca_file: ${certificate.certFile}}\n`,
    );
    const amtool = (...args: string[]) => command('amtool', `--alertmanager.url=${url}`, ...args);
    const file = `--http.config.file=${http}`;
    expect((await amtool(file, 'alert', 'add', 'Down')).code).toBe(0);
    expect((await amtool(file, 'alert', 'query')).stdout).toContain('Down');
    expect((await amtool('alert', 'query')).code).not.toBe(0);

    const status = await tocsin('status', '--url', url, '--web-client-config', http);
    expect(status).toMatchObject({ code: 0, stdout: expect.stringContaining('n1') });
    await writeFile(http, `tls_config: {ca_file: ${certificate.certFile}}\n`);
    const nobody = await tocsin('status', '--url', url, '--web-client-config', http);
    expect(nobody).toMatchObject({
      code: 4,
      stderr: expect.stringContaining('--web-client-config'),
    });
    await writeFile(http, 'oauth2: {client_id: a, client_secret: b, token_url: "http://x"}\n');
    const cannot = await tocsin('status', '--url', url, '--web-client-config', http);
    expect(cannot).toMatchObject({ code: 2, stderr: expect.stringContaining('oauth2') });
  },
);

it.runIf(prometheusHere).each([
  ['basic_auth', 'basic_auth: {username: ann, password: ann-pass}'],
  ['authorization', `authorization: {credentials: ${PUSH}}`],
])('Prometheus pushes its alerts with %s', async (_name, credentials) => {
  const folder = await scratch();
  const { daemon, receiver } = await secured(null, folder);
  await writeFile(
    `${folder}/rules.yml`,
    'groups: [{name: g, interval: 1s, rules: [{alert: AlwaysUp, expr: vector(1)}]}]',
  );
  await writeFile(
    `${folder}/prometheus.yml`,
    `global: {evaluation_interval: 1s}
rule_files: [rules.yml]
alerting:
  alertmanagers:
  - static_configs: [{targets: ['${daemon.addresses.http}']}]
    ${credentials}`,
  );
  const prometheus = spawn('prometheus', [
    `--config.file=${folder}/prometheus.yml`,
    `--storage.tsdb.path=${folder}/tsdb`,
    `--web.listen-address=127.0.0.1:${await freePort()}`,
    '--rules.alert.resend-delay=1s',
  ]);
  onTestFinished(() => void prometheus.kill('SIGKILL'));
  await until(() => receiver.pages.length > 0);
});

it('users, tokens and files are taken over when they change or on SIGHUP; broken ones are not', async () => {
  const folder = await scratch();
  const { daemon, text, web } = await secured(null, folder);
  const status = async (token: string) => {
    const headers = { authorization: `Bearer ${token}` };
    return (await fetch(daemon.url('/metrics'), { headers })).status;
  };
  const logged = (message: string) => daemon.log.filter((line) => line.includes(message)).length;
  expect(await status(PUSH)).toBe(403);

  // The file of the token is replaced, as Kubernetes and careful scripts do.
  const next = 'next-push-token-0123456789';
  await writeFile(`${folder}/new`, next);
  await rename(`${folder}/new`, `${folder}/push.token`);
  await until(async () => (await status(next)) === 403);
  expect(await status(PUSH)).toBe(401);

  await writeFile(web, text.replace('scopes: [push]', 'scopes: [read]'));
  daemon.process.kill('SIGHUP');
  await until(async () => (await status(next)) === 200);

  await writeFile(web, text.replace('scopes: [push]', 'scope: [read]'));
  await until(() => logged('web configuration refused') === 1);
  expect(daemon.log.join('\n')).toContain('web.yml:3:22: tokens[0].scope: unknown key');
  expect(await status(next)).toBe(200);

  // Somebody empties the file of users: nobody is let in for that.
  await writeFile(web, 'http_server_config: {http2: true}\n');
  await until(() => logged('web configuration refused') === 2);
  expect(daemon.log.join('\n')).toContain('takes away all users and tokens');
  expect((await fetch(daemon.url('/metrics'))).status).toBe(401);
  const reload = await fetch(daemon.url('/-/reload'), {
    method: 'POST',
    headers: { authorization: `Bearer ${ADMIN}` },
  });
  expect(reload.status).toBe(400);
  expect(await reload.text()).toContain('takes away');
});

it('a start with a broken file is refused with every place', async () => {
  const folder = await scratch();
  const config = await configFile(folder, CONFIG.replace('URL', 'http://127.0.0.1:1/'));
  const web = `${folder}/web.yml`;
  await writeFile(
    web,
    'tls_server_config:\n  cert_file: missing.crt\n  key_file: missing.key\ntokens:\n- {name: a, scopes: [read], token_file: short}\n',
  );
  await writeFile(`${folder}/short`, 'abc\n');
  const ended = await refused({ config, dataDir: `${folder}/data`, flags: ['--web-config', web] });
  expect(ended.code).toBe(1);
  expect(ended.stderr).toContain(`${web}:2:14: tls_server_config.cert_file: `);
  expect(ended.stderr).toContain(`${web}:3:13: tls_server_config.key_file: `);
  expect(ended.stderr).toContain(
    `${web}:5:41: tokens[0].token_file: a token is one word of at least`,
  );
});

it('a port that others reach warns once what anybody could do, and names the flag', async () => {
  const folder = await scratch();
  const config = await configFile(folder, CONFIG.replace('URL', 'http://127.0.0.1:1/'));
  const open = async (flags: readonly string[], data: string) => {
    const daemon = await start({ config, dataDir: `${folder}/${data}`, flags });
    const warnings = daemon.log.filter((line) => line.includes('HTTP is open to the network'));
    await daemon.kill('SIGKILL');
    return warnings;
  };
  expect(await open([], 'a')).toEqual([]);
  const warned = await open(['--http', '0.0.0.0:0'], 'b');
  expect(warned).toHaveLength(1);
  expect(warned[0]).toContain('--web-config');
  await writeFile(`${folder}/web.yml`, `basic_auth_users: {ann: ${ANN}}\n`);
  const clear = await open(['--http', '0.0.0.0:0', '--web-config', `${folder}/web.yml`], 'c');
  expect(clear).toHaveLength(1);
  expect(clear[0]).toContain('in the clear');
});
