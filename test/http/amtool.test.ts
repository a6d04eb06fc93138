/** The real amtool (Debian's prometheus-alertmanager), unmodified, against the server. */

import { execFile, spawnSync } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { openDesk, type Desk } from './harness.ts';

const hasAmtool = spawnSync('amtool', ['--version']).status === 0;
const execute = promisify(execFile);

/** amtool sends and compares the time of day, so the clock of the server follows it. */
async function amtool(desk: Desk, ...args: readonly string[]): Promise<string> {
  desk.clock.advance(Math.max(0, Date.now() - desk.clock.now()));
  const { stdout } = await execute('amtool', [`--alertmanager.url=${desk.url}`, ...args]);
  return stdout;
}

describe.skipIf(!hasAmtool)('amtool', () => {
  it('adds alerts and finds them by matcher', async () => {
    const desk = await openDesk();
    await amtool(
      desk,
      'alert',
      'add',
      'alertname=Down',
      'job=db',
      '--annotation=summary=it is down',
    );
    await amtool(desk, 'alert', 'add', 'alertname=Slow', 'job=web');
    const found = JSON.parse(
      await amtool(desk, 'alert', 'query', '-o', 'json', 'job=~"d.*"'),
    ) as unknown;
    expect(found).toMatchObject([
      {
        labels: { alertname: 'Down', job: 'db' },
        annotations: { summary: 'it is down' },
        status: { state: 'active' },
        receivers: [{ name: 'team' }],
      },
    ]);
    expect(await amtool(desk, 'alert', 'query', '-o', 'extended')).toContain('Slow');
  });

  it('silences an alert, lists the silence, makes it longer, and ends it', async () => {
    const desk = await openDesk();
    await amtool(desk, 'alert', 'add', 'alertname=Down', 'job=db');
    const added = await amtool(desk, 'silence', 'add', 'job=db', '--author=ann', '--comment=work');
    const id = added.trim();
    expect(await amtool(desk, 'silence', 'query', '-q')).toContain(id);
    expect(await amtool(desk, 'alert', 'query')).not.toContain('Down');
    expect(await amtool(desk, 'alert', 'query', '--silenced')).toContain('Down');
    await amtool(desk, 'silence', 'update', '-d', '3h', id);
    expect((await desk.get('/api/v2/silences')).json()).toMatchObject([{ id, comment: 'work' }]);
    await amtool(desk, 'silence', 'expire', id);
    expect(await amtool(desk, 'silence', 'query', '-q')).not.toContain(id);
    expect(await amtool(desk, 'silence', 'query', '--expired', '-q')).toContain(id);
    expect(await amtool(desk, 'alert', 'query')).toContain('Down');
  });

  it('is told why a silence is refused', async () => {
    const desk = await openDesk();
    await expect(
      amtool(desk, 'silence', 'add', 'job=~".*"', '--author=ann', '--comment=all'),
    ).rejects.toThrow(/must not match the empty string/);
  });

  it('shows the cluster and the routes of the configuration', async () => {
    const desk = await openDesk();
    expect(await amtool(desk, 'cluster', 'show')).toMatch(/Cluster Status:\s+ready/);
    expect(await amtool(desk, 'config', 'routes', 'test', 'job=db')).toBe('team\n');
  });
});
