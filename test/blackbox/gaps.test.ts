/** A real process is stopped and let go on while a breach is pending. */

import { expect, it } from 'vitest';
import { configFile, Receiver, scratch, start, until, type Daemon } from './program.ts';

const CONFIG = (url: string): string => `
route: {receiver: team, group_wait: 200ms, group_interval: 1s}
receivers: [{name: team, webhook_configs: [{url: '${url}'}]}]
checks: [{name: Hi, series: 'p.*', above: 90, for: 5s}]
`;

async function pending(): Promise<{ daemon: Daemon; receiver: Receiver }> {
  const folder = await scratch();
  const receiver = await Receiver.listen();
  const config = await configFile(folder, CONFIG(receiver.url));
  const daemon = await start({ config, dataDir: `${folder}/data` });
  await daemon.carbon('p.a 95\n');
  await until(async () => (await page(daemon)).includes('p.a'));
  await sleep(1_000);
  return { daemon, receiver };
}

async function page(daemon: Daemon): Promise<string> {
  return (await fetch(daemon.url('/'))).text();
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

it('what was bad before a stop of fifteen seconds, and is not bad afterwards, notifies nobody', async () => {
  const { daemon, receiver } = await pending();
  daemon.process.kill('SIGSTOP');
  await sleep(15_000);
  daemon.process.kill('SIGCONT');
  await sleep(400);
  await daemon.carbon('p.a 5\n');
  await until(async () => !(await page(daemon)).includes('p.a'));
  await sleep(6_000);
  expect(receiver.pages).toEqual([]);
}, 60_000);

it('what is still bad notifies after what was left of `for`', async () => {
  const { daemon, receiver } = await pending();
  daemon.process.kill('SIGSTOP');
  await sleep(15_000);
  daemon.process.kill('SIGCONT');
  // A reading that is acknowledged shows that the process listens again; nothing was due before it.
  await daemon.post('/tocsin/v1/observations', { series: 'p.b', value: 1 });
  expect(receiver.pages).toEqual([]);
  await until(() => receiver.pages.length === 1);
  expect(receiver.pages[0]?.alerts).toMatchObject([{ labels: { series: 'p.a' } }]);
}, 60_000);
