/** A store that the daemon itself has cut by its retention, and what `tocsin replay` says of it. */

import { cp } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { configFile, Receiver, scratch, start, tocsin, until, type Daemon } from './program.ts';

const PATIENCE_MS = 120_000;

/** A segment is closed at 16 MiB, and only closed ones are dropped. */
const SEGMENT_BYTES = 16 * 1024 * 1024;
const ANNOTATION = 'x'.repeat(60_000);
const FILLERS = 40;

async function push(daemon: Daemon, alertname: string): Promise<void> {
  const answer = await daemon.post('/api/v2/alerts', [{ labels: { alertname, host: 'a' } }]);
  expect(answer.status).toBe(200);
}

/** Fills the segment with alerts that are over, of which nobody is notified. */
async function fill(daemon: Daemon): Promise<void> {
  const [startsAt, endsAt] = [60_000, 30_000].map((ms) => new Date(Date.now() - ms).toISOString());
  const filler = Array.from({ length: FILLERS }, (_, i) => ({
    labels: { alertname: 'Filler', host: String(i) },
    annotations: { text: ANNOTATION },
    startsAt,
    endsAt,
  }));
  const pushes = Math.ceil((SEGMENT_BYTES * 1.1) / (FILLERS * ANNOTATION.length));
  for (let i = 0; i < pushes; i++) {
    expect((await daemon.post('/api/v2/alerts', filler)).status).toBe(200);
  }
}

/** Three alerts: one before the cut, one behind it but before the first snapshot, one behind that. */
async function cutStore() {
  const folder = await scratch();
  const receiver = await Receiver.listen();
  const config = await configFile(
    folder,
    `
route: {receiver: team, group_by: [alertname], group_wait: 0s, group_interval: 10m}
receivers: [{name: team, webhook_configs: [{url: '${receiver.url}'}]}]
`,
  );
  const options = { config, dataDir: `${folder}/data`, flags: ['--retention', '1s'] };
  const notified = (count: number) => until(() => receiver.pages.length === count);

  const first = await start(options);
  await push(first, 'DiskLow');
  await notified(1);
  const between = new Date().toISOString();
  await fill(first);
  await push(first, 'Cpu');
  await notified(2);
  // A clean stop takes a snapshot, below which the next process may drop history.
  await first.kill('SIGTERM');
  await cp(options.dataDir, `${folder}/whole`, { recursive: true });
  const second = await start(options);
  await until(() => second.log.some((line) => line.includes('history dropped')));
  const known = new Date(Date.now() + 1).toISOString();
  await push(second, 'Latency');
  await notified(3);
  await second.kill('SIGTERM');
  return { data: options.dataDir, whole: `${folder}/whole`, between, known, receiver };
}

interface Line {
  readonly what: string;
  readonly cause?: string;
  readonly labels?: { readonly alertname: string };
}

function moments(stdout: string): readonly Line[] {
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Line)
    .slice(0, -1);
}

describe('a store that the daemon has cut', () => {
  it(
    'before its beginning, across it and behind it: exit codes 3, 3 and 0',
    async () => {
      const { data, whole, between, known } = await cutStore();
      const asked = (...flags: readonly string[]) =>
        tocsin('replay', data, '-o', 'jsonl', ...flags);

      const before = await asked('--to', between);
      const across = await asked('--from', between);
      const after = await asked('--from', known);
      const all = await asked();
      const denied = await asked('--alert', 'DiskLow');
      const table = await tocsin('replay', data, '--to', between);

      expect([before, across, after, all, denied].map(({ code }) => code)).toEqual([3, 3, 0, 3, 3]);
      for (const { stdout, stderr } of [before, across, all, denied]) {
        expect(moments(stdout)[0]).toMatchObject({ what: 'gap', cause: 'before the log' });
        expect(stderr).toMatch(/unknown: entries 1 to \d+ are not in this log/);
      }
      expect(moments(after.stdout).some(({ what }) => what === 'gap')).toBe(false);
      expect(after.stderr).toContain('all of the range is known');
      const fired = moments(after.stdout).filter(({ what }) => what === 'firing');
      expect(fired.map(({ labels }) => labels?.alertname)).toEqual(['Latency']);
      expect(denied.stderr).toContain('in the unknown part cannot be known');
      expect(denied.stderr).not.toContain('no alert of that description fired');
      expect(table.stdout).toMatch(
        /gap .* the log begins at entry \d+; the state is not known before/,
      );

      // As it was before the cut, everything is there, and the comparison denies nothing either.
      const wasWhole = await tocsin('replay', whole, '-o', 'jsonl', '--to', between);
      expect(wasWhole.code).toBe(0);
      expect(moments(wasWhole.stdout).map(({ what }) => what)).toContain('firing');
      for (const sides of [
        [whole, data],
        [data, whole],
      ] as const) {
        const [a, b] = sides;
        const against = await tocsin('replay', a, '--against', b, '--to', between);
        expect(against.stdout).toBe('');
        expect(against.stderr).toContain('nothing was compared');
        expect(against.code).toBe(3);
      }
    },
    PATIENCE_MS,
  );
});
