/**
 * Stores that earlier builds wrote, committed under snapshots/golden: this build must read them and
 * show what they showed then. `TOCSIN_GOLDEN=make npx vitest run test/snapshots/golden.test.ts`
 * writes the one of the current format; see snapshots/README.md for when that is allowed.
 */

import {
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { PassThrough } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { redactSecrets } from '../../src/io/config/redact.ts';
import { showCommand } from '../../src/io/cli/snapshot-show.ts';
import { openExistingLevel } from '../../src/io/disk/level-open.ts';
import { rootOf } from '../../src/io/disk/snapshot-root.ts';
import { SNAPSHOT_FORMAT } from '../../src/io/disk/snapshot-format.ts';
import type { SetMember } from '../../src/commands/membership.ts';
import type { SnapshotMeta } from '../../src/io/ports.ts';
import { EMPTY_CONFIG } from '../../src/raft/confchange.ts';
import { Desk } from '../support/scenario.ts';
import { check, config, inhibit, receiver, route } from '../support/scenario-config.ts';
import { crashImage, metaOf, openStore, removeTemporaryFolders, temporaryFolder } from './store.ts';

const GOLDENS = path.resolve(import.meta.dirname, '../../snapshots/golden');
/** Stores of the current format, by the version of the fold that their story is folded by. */
const CURRENT = [
  { reducers: 1, golden: path.join(GOLDENS, `v${SNAPSHOT_FORMAT}`) },
  { reducers: 3, golden: path.join(GOLDENS, `v${SNAPSHOT_FORMAT}-fold-3`) },
] as const;

beforeAll(async () => {
  if (process.env['TOCSIN_GOLDEN'] !== 'make') return;
  for (const { golden, reducers } of CURRENT) await makeGolden(golden, reducers);
});

afterAll(removeTemporaryFolders);

describe.each(['v1', 'v2', 'v2-fold-3'])('the golden store %s', (version) => {
  const golden = path.join(GOLDENS, version);

  it('is shown as it was shown then', async () => {
    expect(await shown(golden)).toBe(readFileSync(path.join(golden, 'show.txt'), 'utf8'));
  });

  it('is loaded without a complaint, and has the root that it had', async () => {
    const store = await openStore(crashImage(path.join(golden, 'store')));
    const { manifest, state, problems } = await store.load();
    await store.close();
    expect(problems).toEqual([]);
    expect(rootOf(state)).toBe(manifest?.root);
  });

  it('is small, and needs no file that version control ignores', () => {
    const files = readdirSync(path.join(golden, 'store'));
    const bytes = files.map((name) => statSync(path.join(golden, 'store', name)).size);
    expect(files.filter((name) => /\.log$|^LO/.test(name))).toEqual([]);
    expect(bytes.reduce((sum, size) => sum + size, 0)).toBeLessThan(100_000);
  });
});

describe('the golden store v1', () => {
  it('knew voters alone, and they are the configuration that was given at the start', async () => {
    const store = await openStore(crashImage(path.join(GOLDENS, 'v1', 'store')));
    const { manifest } = await store.load();
    await store.close();
    const confState = { ...EMPTY_CONFIG, voters: ['node-1'] };
    expect(manifest).toMatchObject({ format: 1, config: { index: 0, confState } });
  });
});

describe('the golden store of this format', () => {
  it.each(CURRENT)('holds what its story folds to today by version $reducers', async (current) => {
    const { golden, reducers } = current;
    const store = await openStore(crashImage(path.join(golden, 'store')));
    const { manifest } = await store.load();
    await store.close();
    const desk = story(reducers);
    expect(manifest?.reducerVersion).toBe(reducers);
    expect(rootOf(desk.state)).toBe(manifest?.root);
    expect(manifest?.config).toEqual(metaOfCluster(desk).config);
  });
});

/** A bit of everything that a state can hold, in a handful of commands. */
function story(reducers: number, onHalf: (desk: Desk) => void = () => undefined): Desk {
  const desk = new Desk({
    reducers,
    startsAt: '2026-01-05T00:00:00Z',
    config: config({
      route: route({ routes: [route({ to: 'night', when: ['severity="page"'], wait: '10s' })] }),
      receivers: [receiver('team'), receiver('night', true, false)],
      inhibitRules: [inhibit('alertname="Down"', 'alertname="HighCpu"', 'host')],
      checks: [
        check({ for: '1m', recover: 80, labels: { severity: 'page' } }),
        check({ name: 'Quiet', series: 'backup.*', missing: '10m' }),
      ],
    }),
  });
  desk
    .readings({ 'servers.a.cpu': 99.5, 'servers.b.cpu': 12, 'backup.nightly': 1 })
    .push({ alertname: 'DiskFull', host: 'db-1' }, { annotations: { summary: 'Platte 95 % voll' } })
    .push({ alertname: 'Down', host: 'db-2' })
    .silence('5b9e3a52-0000-4000-8000-000000000001', ['host="db-2"'], { until: '2:00:00' })
    .answers('team', 503, 'ok')
    .answers('night', 400)
    .at('2:00');
  onHalf(desk);
  // What only this version of the fold keeps.
  if (reducers >= 3) actors(desk);
  return desk
    .append({ kind: 'member', ...memberOf('node-1') })
    .append({ kind: 'member', ...memberOf('node-2') })
    .append({ kind: 'forgetMember', node: 'node-2' })
    .append(
      { kind: 'request', node: 'node-1', incarnation: 3, sequence: 9, settledBelow: 7 },
      { kind: 'expireSilence', id: 'none' },
    )
    .readings({ 'servers.b.cpu': 95, 'servers.c.cpu': 1 })
    .push({ alertname: 'DiskFull', host: 'db-1' }, { until: '4:00' })
    .answers('team', 'hangs')
    .at('5:31')
    .reading('servers.a.cpu', 40)
    .reading('servers.c.cpu', 91);
}

function actors(desk: Desk): void {
  const id = '5b9e3a52-0000-4000-8000-000000000002';
  desk
    .append({
      kind: 'silence',
      id: '',
      freshId: id,
      matchers: [{ name: 'host', op: '=', value: 'db-3' }],
      startsAt: desk.now,
      endsAt: desk.now + 3_600_000,
      createdBy: 'bob',
      comment: 'the disk is being replaced',
      annotations: [],
      actor: { kind: 'user', name: 'ann' },
    })
    .append({ kind: 'expireSilence', id, actor: { kind: 'token', name: 'deploy' } })
    .append({ kind: 'admin', action: 'backup', subject: 'node-1', detail: 'n1' });
}

function memberOf(node: string): Omit<SetMember, 'kind'> {
  return {
    node,
    name: `name of ${node}`,
    peer: `${node}.example:9094`,
    http: `${node}.example:9093`,
    version: '0.2.0',
    reducersMax: 1,
    configHash: 'c0ffee',
  };
}

/** Of a cluster that changes: a bit of everything that a configuration can hold. */
function metaOfCluster(desk: Desk): SnapshotMeta {
  const confState = {
    voters: ['node-1', 'node-4'],
    votersOutgoing: ['node-1', 'node-2'],
    learners: ['node-3'],
    learnersNext: ['node-2'],
    promote: ['node-3'],
    autoLeave: true,
  };
  return { ...metaOf(desk), config: { index: 3, confState } };
}

/** Two snapshots of the story, all in tables: LevelDB's logs are files that git ignores. */
async function makeGolden(golden: string, reducers: number): Promise<void> {
  const folder = path.join(temporaryFolder(), 'snapshots');
  const store = await openStore(folder);
  const saves: Promise<unknown>[] = [];
  const desk = story(reducers, (half) => {
    saves.push(store.save(half.state, metaOf(half)));
  });
  await Promise.all(saves);
  await store.save(desk.state, metaOfCluster(desk));
  await store.close();
  await compact(folder);
  rmSync(golden, { recursive: true, force: true });
  mkdirSync(path.join(golden, 'store'), { recursive: true });
  for (const name of readdirSync(folder)) {
    if (!/^(CURRENT|NEWEST|MANIFEST-\d+|\d+\.ldb)$/.test(name)) continue;
    cpSync(path.join(folder, name), path.join(golden, 'store', name));
  }
  writeFileSync(path.join(golden, 'show.txt'), await shown(golden));
}

async function compact(folder: string): Promise<void> {
  const opened = await openExistingLevel(folder);
  if (!opened.ok) throw new Error(opened.message);
  // The declared type leaves out what browsers do not have.
  const db = opened.db as unknown as { compactRange(a: string, b: string): Promise<void> };
  await db.compactRange('', '~');
  await opened.db.close();
}

/** What `tocsin snapshot show` prints of the store in a golden's folder. */
async function shown(golden: string): Promise<string> {
  const stdout = new PassThrough();
  const chunks: Buffer[] = [];
  stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  const io = { stdout, stderr: new PassThrough(), now: () => 0, redact: redactSecrets };
  const dataDir = path.join(golden, 'store');
  const code = await showCommand({ dataDir, index: 'latest', path: null, format: 'table' }, io);
  expect(code).toBe(0);
  return Buffer.concat(chunks).toString();
}
