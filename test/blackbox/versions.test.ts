/** Builds of different versions in one cluster: up by one, down by one, and no further. */

import { expect, it } from 'vitest';
import {
  buildWith,
  configFile,
  refused,
  scratch,
  start,
  tocsin,
  together,
  until,
  type Daemon,
} from './program.ts';

const CONFIG = 'route: {receiver: team}\nreceivers: [{name: team}]\n';

it('a cluster is upgraded and down-graded one member at a time, and changes its rules at one entry', async () => {
  const folder = await scratch();
  const config = await configFile(folder, CONFIG);
  // The first knows only the old rules, the second brings new ones and does not want them yet, the
  // third does.
  const before = await buildWith('0.0.9', { REDUCERS_MAX: 1, REDUCERS_WANTED: 1 });
  const next = await buildWith('0.2.0', { REDUCERS_MAX: 2, REDUCERS_WANTED: 1 });
  const afterNext = await buildWith('0.3.0', { REDUCERS_MAX: 2, REDUCERS_WANTED: 2 });
  const options = (name: string) => ({ config, dataDir: `${folder}/${name}`, name, main: before });
  const n1 = await start(options('n1'));
  const joining = ['--join', n1.addresses.peer];
  const n2 = await start({ ...options('n2'), flags: joining });
  const n3 = await start({ ...options('n3'), flags: joining });
  const daemons: Daemon[] = [n1, n2, n3];
  const roll = async (i: number, main: string): Promise<void> => {
    const [name, peer] = [`n${i + 1}`, daemons[i]?.addresses.peer ?? ''];
    await together(daemons);
    expect(await daemons[i]?.kill('SIGTERM')).toBe(0);
    daemons[i] = await start({ ...options(name), main, flags: ['--peer', peer] });
    await together(daemons);
  };

  for (const i of [0, 1, 2]) await roll(i, next);
  await roll(1, before);
  expect(await alertsAfterPush(daemons, 'MixedDown')).toBe(200);
  await roll(1, next);
  for (const i of [0, 1, 2]) await roll(i, afterNext);
  await until(() => daemons.some(({ log }) => log.join('').includes('reducers switched')));
  // Down by one, after the switch: the build before knows the new rules.
  await roll(2, next);
  expect(await alertsAfterPush(daemons, 'NewRules')).toBe(200);

  for (const daemon of daemons) await daemon.kill('SIGTERM');
  const tooOld = await refused(options('n1'));
  expect(tooOld.code).toBe(5);
  expect(tooOld.stderr).toMatch(/version 2.*version 1/);
}, 120_000);

it('a cluster that this build founds begins by its new rules, and the build before refuses it', async () => {
  const folder = await scratch();
  const config = await configFile(folder, CONFIG);
  const before = await buildWith('0.0.9', { REDUCERS_MAX: 1, REDUCERS_WANTED: 1 });
  const options = { config, dataDir: `${folder}/n1`, name: 'n1' };
  const daemon = await start(options);
  expect(await alertsAfterPush([daemon], 'Founded')).toBe(200);
  await daemon.kill('SIGTERM');

  const tooOld = await refused({ ...options, main: before });
  expect(tooOld.code).toBe(5);
  expect(tooOld.stderr).toMatch(/version 3.*version 1/);
  const replay = await tocsin('replay', `${folder}/n1`);
  expect(replay.code).toBe(0);
}, 60_000);

async function alertsAfterPush([daemon]: readonly Daemon[], alertname: string): Promise<number> {
  const answer = await daemon?.post('/api/v2/alerts', [{ labels: { alertname } }]);
  return answer?.status ?? 0;
}
