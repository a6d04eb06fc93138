/** A leader that stood still must not say, when it wakes, what its successor has said. */

import https from 'node:https';
import net, { type AddressInfo } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { CERTIFICATE, KEY } from '../notify/certificate.ts';
import { configFile, scratch, start, together, until, type Daemon } from './program.ts';

const PATIENCE_MS = 120_000;
const WAY_MS = 120;

interface Heard {
  readonly alert: string;
  readonly status: string;
  readonly uncertain: boolean;
}

/** A receiver that notes what it takes. */
async function receiver() {
  const heard: Heard[] = [];
  const server = https.createServer({ cert: CERTIFICATE, key: KEY }, (request, response) => {
    let body = '';
    request.on('data', (part: Buffer) => (body += part.toString()));
    request.on('end', () => {
      const { groupLabels, status } = JSON.parse(body) as {
        readonly groupLabels: { readonly alertname: string };
        readonly status: string;
      };
      const uncertain = request.headers['tocsin-possible-duplicate'] === '1';
      heard.push({ alert: groupLabels.alertname, status, uncertain });
      response.end('ok');
    });
  });
  return { heard, port: await portOf(server) };
}

async function portOf(server: net.Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  return (server.address() as AddressInfo).port;
}

/** A way to the receiver on which everything takes a while, and who is on it. */
async function longWay(to: number) {
  const way = { port: 0, opened: 0, open: 0, onOpen: (): void => undefined };
  const server = net.createServer((near) => {
    const far = net.connect(to, '127.0.0.1');
    way.opened++;
    way.open++;
    way.onOpen();
    near.on('close', () => way.open--);
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      one.on('error', () => undefined);
      one.on('data', (bytes: Buffer) => void setTimeout(() => other.write(bytes), WAY_MS));
      one.on('end', () => void setTimeout(() => other.end(), WAY_MS));
      one.on('close', () => void setTimeout(() => other.destroy(), WAY_MS));
    }
  });
  way.port = await portOf(server);
  return way;
}

async function leaderOf(daemons: readonly Daemon[]): Promise<Daemon> {
  for (;;) {
    for (const daemon of daemons) {
      const status = (await daemon.get('/tocsin/v1/status')) as { role: string; ready: boolean };
      if (status.role === 'leader' && status.ready) return daemon;
    }
  }
}

it(
  'a leader that is stopped while it connects sends nothing that is stale when it wakes',
  async () => {
    const { heard, port } = await receiver();
    const way = await longWay(port);
    const folder = await scratch();
    const config = await configFile(
      folder,
      `
route: {receiver: team, group_by: [alertname], group_wait: 0s, group_interval: 1s}
receivers:
  - name: team
    webhook_configs:
      - {url: 'https://127.0.0.1:${way.port}/', http_config: {tls_config: {insecure_skip_verify: true}}}
`,
    );
    const daemons: Daemon[] = [];
    for (const name of ['n1', 'n2', 'n3']) {
      const flags = daemons[0] === undefined ? [] : ['--join', daemons[0].addresses.peer];
      daemons.push(await start({ config, dataDir: `${folder}/${name}`, name, flags }));
    }
    await together(daemons);
    const leader = await leaderOf(daemons);
    const others = daemons.filter((daemon) => daemon !== leader);

    // It stands still the moment its connection arrives, with the request still to be written.
    way.onOpen = (): void => {
      way.onOpen = () => undefined;
      leader.process.kill('SIGSTOP');
    };
    const labels = { alertname: 'Disk' };
    // Its answer may never come: who waits for it stands still, too.
    void others[0]?.post('/api/v2/alerts', [{ labels }]).catch(() => undefined);
    await until(() => heard.length > 0);
    const endsAt = new Date().toISOString();
    const successor = await leaderOf(others);
    await successor.post('/api/v2/alerts', [{ labels, endsAt }]);
    await until(() => heard.some(({ status }) => status === 'resolved'));
    leader.process.kill('SIGCONT');

    // It is awake, follows, and has let go of its connection.
    await until(async () => {
      const status = (await leader.get('/tocsin/v1/status')) as { role: string };
      return status.role === 'follower' && way.open === 0;
    });
    await successor.post('/api/v2/alerts', [{ labels: { alertname: 'Later' } }]);
    await until(() => heard.some(({ alert }) => alert === 'Later'));
    const ofDisk = heard.filter(({ alert }) => alert === 'Disk');
    expect(ofDisk.map(({ status }) => status)).toEqual(['firing', 'resolved']);
    // The successor cannot know that nothing was sent.
    expect(ofDisk[0]?.uncertain).toBe(true);
  },
  PATIENCE_MS,
);
