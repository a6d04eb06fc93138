/** Receivers as people write them: what every other client understands is understood. */

import net, { type AddressInfo } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { configFile, scratch, start, until } from './program.ts';

/** Answers each POST in these bytes, as `echo` behind netcat does, and counts by path. */
async function answering(answers: Readonly<Record<string, string>>) {
  const taken = new Map<string, number>();
  const server = net.createServer((socket) => {
    let heard = '';
    socket
      .on('error', () => undefined)
      .on('data', (bytes) => {
        heard += bytes.toString();
        const length = /content-length: (\d+)/i.exec(heard)?.[1] ?? '0';
        const [head = '', body] = heard.split('\r\n\r\n');
        if (body === undefined || body.length < Number(length)) return;
        const path = head.split(' ')[1] ?? '';
        taken.set(path, (taken.get(path) ?? 0) + 1);
        socket.end(answers[path] ?? '');
      });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  return { taken, port: (server.address() as AddressInfo).port };
}

it('one notification to each receiver that ends its lines in LF, or says 100 Continue first', async () => {
  const { taken, port } = await answering({
    '/lf': 'HTTP/1.1 200 OK\n\n',
    '/100': 'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
    '/words': 'thank you\n',
  });
  const url = (path: string): string => `{url: 'http://127.0.0.1:${port}${path}'}`;
  const folder = await scratch();
  const config = await configFile(
    folder,
    `
route: {receiver: team, group_by: [alertname], group_wait: 0s, group_interval: 1h}
receivers: [{name: team, webhook_configs: [${url('/lf')}, ${url('/100')}, ${url('/words')}]}]
`,
  );
  const daemon = await start({ config, dataDir: `${folder}/data` });
  await daemon.post('/api/v2/alerts', [{ labels: { alertname: 'Disk' } }]);
  // The one that answers no HTTP has had its three copies by then, after 0, 0.5 and 1.5 s.
  await until(() => taken.get('/words') === 3);
  await until(async () => {
    const metrics = await (await fetch(daemon.url('/metrics'))).text();
    return metrics.includes('tocsin_notifications_unreadable_total{integration="webhook"} 3');
  });
  expect(Object.fromEntries(taken)).toEqual({ '/lf': 1, '/100': 1, '/words': 3 });
  const rows = JSON.stringify(await daemon.get('/tocsin/v1/notifications'));
  expect(rows).toContain('it answered what is no HTTP: thank you');
});
