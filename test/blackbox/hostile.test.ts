/** A hostile sender against three real members: it gets answers, and nothing else happens. */

import { expect, it } from 'vitest';
import { hostileRequests, sendHostile } from '../../bench/hostile/requests.ts';
import { configFile, Receiver, scratch, start, together, until, type Daemon } from './program.ts';

const PATIENCE_MS = 180_000;
const HEAP = { NODE_OPTIONS: '--max-old-space-size=512' };

interface Status {
  readonly term: number;
}

async function termOf(daemon: Daemon): Promise<number> {
  return ((await daemon.get('/tocsin/v1/status')) as Status).term;
}

it(
  'a hostile sender causes no election and ends no member, and what is pushed meanwhile is notified',
  { timeout: PATIENCE_MS },
  async () => {
    const folder = await scratch();
    const receiver = await Receiver.listen();
    const config = await configFile(
      folder,
      `
route:
  receiver: nobody
  group_by: [alertname]
  group_wait: 0s
  routes: [{receiver: team, matchers: [job="good"]}]
receivers: [{name: nobody}, {name: team, webhook_configs: [{url: '${receiver.url}'}]}]
`,
    );
    const member = (name: string, ...flags: readonly string[]): Promise<Daemon> =>
      start({ config, dataDir: `${folder}/${name}`, name, flags, env: HEAP });
    const n1 = await member('n1');
    const n2 = await member('n2', '--join', n1.addresses.peer);
    const n3 = await member('n3', '--join', n1.addresses.peer);
    const all = [n1, n2, n3] as const;
    await together(all);
    const terms = await Promise.all(all.map(termOf));

    const attack = { isOver: false };
    const good: { name: string; status: number }[] = [];
    const pushing = (async () => {
      while (!attack.isOver) {
        const daemon = all[good.length % all.length] ?? n1;
        const name = `Good${good.length}`;
        const answer = await daemon.post('/api/v2/alerts', [
          { labels: { alertname: name, job: 'good' } },
        ]);
        good.push({ name, status: answer.status });
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
    })();
    const requests = hostileRequests(4 * 1024 * 1024);
    const statuses = await Promise.all(
      requests.map(async (request, i) => {
        const daemon = all[i % all.length] ?? n1;
        return [
          request.title,
          await sendHostile(`http://${daemon.addresses.http}`, request),
        ] as const;
      }),
    );
    attack.isOver = true;
    await pushing;

    // Whatever is valid and within the limits may be taken; nothing is a fault of the program.
    for (const [title, status] of statuses) {
      expect([title, [0, 200, 400, 413, 503]]).toEqual([title, expect.arrayContaining([status])]);
    }
    expect(good.map(({ status }) => status)).toEqual(good.map(() => 200));
    await until(() => {
      const notified = new Set(
        receiver.pages.flatMap(({ alerts }) => alerts.map(({ labels }) => labels['alertname'])),
      );
      return good.every(({ name }) => notified.has(name));
    });
    expect(await Promise.all(all.map(termOf))).toEqual(terms);
    expect(all.map((daemon) => daemon.process.exitCode)).toEqual([null, null, null]);
  },
);
