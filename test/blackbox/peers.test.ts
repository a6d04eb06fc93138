/** The peer port of real processes: who is let in, and what strangers and liars can do there. */

import { writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { blockOf } from '../../src/io/net/blocks.ts';
import { encodeHello, frameTag, type PeerHello } from '../../src/io/net/hello.ts';
import { encodeFrame, type Frame } from '../../src/io/node/wire.ts';
import { EMPTY_CONFIG } from '../../src/raft/confchange.ts';
import type { Message } from '../../src/raft/types.ts';
import { configFile, refused, scratch, start, together, until, type Daemon } from './program.ts';

const CONFIG = 'route: {receiver: team}\nreceivers: [{name: team}]\n';
const OLD = 'the old secret of this cluster';
const NEW = 'the new secret of this cluster';

interface Site {
  readonly start: (name: string, ...flags: readonly string[]) => Promise<Daemon>;
  readonly file: (name: string, text: string) => Promise<string>;
}

async function site(): Promise<Site> {
  const folder = await scratch();
  const config = await configFile(folder, CONFIG);
  return {
    start: (name, ...flags) => start({ config, dataDir: `${folder}/${name}`, name, flags }),
    file: async (name, text) => {
      await writeFile(`${folder}/${name}`, text, { mode: 0o600 });
      return `${folder}/${name}`;
    },
  };
}

async function three(at: Site, ...flags: readonly string[]): Promise<Daemon[]> {
  const n1 = await at.start('n1', ...flags);
  const join = ['--join', n1.addresses.peer, ...flags];
  const daemons = [n1, await at.start('n2', ...join), await at.start('n3', ...join)];
  await together(daemons);
  return daemons;
}

async function push(daemons: readonly Daemon[], alertname: string): Promise<void> {
  for (const daemon of daemons) {
    const answer = await daemon.post('/api/v2/alerts', [{ labels: { alertname } }]);
    expect(answer.status).toBe(200);
  }
}

it('a cluster without a secret adopts one in two rolling rounds, and takes pushes all the time', async () => {
  const at = await site();
  const secret = await at.file('secret', `${OLD}\n`);
  const daemons = await three(at);
  const roll = async (i: number, ...flags: readonly string[]): Promise<void> => {
    const peer = daemons[i]?.addresses.peer ?? '';
    expect(await daemons[i]?.kill('SIGTERM')).toBe(0);
    daemons[i] = await at.start(`n${i + 1}`, '--peer', peer, ...flags);
    await together(daemons);
    await push(daemons, `Rolled${i}`);
  };
  const withSecret = ['--cluster-secret-file', secret];
  for (const i of [0, 1, 2]) await roll(i, ...withSecret, '--peer-insecure');
  for (const i of [0, 1, 2]) await roll(i, ...withSecret);

  const [n1] = daemons as [Daemon];
  const bare = await at.start('n4', '--join', n1.addresses.peer);
  await until(() => bare.log.some((line) => line.includes('a connection without a secret')));
  expect(daemons.map(({ process }) => process.exitCode)).toEqual([null, null, null]);
}, 120_000);

it('a cluster changes its secret in two rounds without a restart', async () => {
  const at = await site();
  const files = await Promise.all(['s1', 's2', 's3'].map((name) => at.file(name, OLD)));
  const n1 = await at.start('n1', '--cluster-secret-file', files[0] ?? '');
  const join = ['--join', n1.addresses.peer];
  const daemons = [n1];
  for (const i of [1, 2]) {
    daemons.push(await at.start(`n${i + 1}`, ...join, '--cluster-secret-file', files[i] ?? ''));
  }
  await together(daemons);
  const change = async (text: string): Promise<void> => {
    for (const [i, daemon] of daemons.entries()) {
      const lines = daemon.log.length;
      await at.file(`s${i + 1}`, text);
      daemon.process.kill('SIGHUP');
      await until(() =>
        daemon.log.slice(lines).some((line) => line.includes('secret of the cluster')),
      );
      await push(daemons, `Changed${i}`);
    }
    await together(daemons);
  };
  await change(`${OLD}\n${NEW}\n`);
  await change(NEW);
  // A file that is no good changes nothing.
  await change('short');
  const withOld = await at.file('old', OLD);
  const late = await at.start('n4', ...join, '--cluster-secret-file', withOld);
  await until(() => late.log.some((line) => line.includes('it has another secret')));
}, 120_000);

it('a peer port that other machines reach needs a proof, or a person who says that it needs none', async () => {
  const folder = await scratch();
  const config = await configFile(folder, CONFIG);
  const open = { config, dataDir: `${folder}/n1`, flags: ['--peer', '0.0.0.0:0'] };
  const no = await refused(open);
  expect(no.code).toBe(2);
  expect(no.stderr).toContain('--cluster-secret-file');
  expect(no.stderr).toContain('anybody who reaches it can read all alerts');
  const daemon = await start({ ...open, flags: [...open.flags, '--peer-insecure'] });
  expect(daemon.log.join('\n')).toContain('anybody who reaches it can read all alerts');
}, 30_000);

// ---------------------------------------------------------------------------------------------
// Strangers and liars, at a port without a secret

interface Status {
  readonly clusterId: string;
  readonly nodeId: string;
  readonly role: string;
  readonly term: number;
  readonly lastIndex: number;
}

const statusOf = async (daemon: Daemon): Promise<Status> =>
  (await daemon.get('/tocsin/v1/status')) as Status;

/** Says hello as `from`, and then these bytes; resolves when the other side has had enough. */
function say(daemon: Daemon, hello: PeerHello, blocks: readonly Uint8Array[]): Promise<void> {
  const [host = '', port = ''] = daemon.addresses.peer.split(':');
  const socket = connect(Number(port), host);
  return new Promise((resolve) => {
    socket.on('error', () => undefined);
    socket.on('close', () => resolve());
    socket.on('data', () => undefined);
    socket.write(encodeHello({ kind: 'peer', ...hello }));
    for (const block of blocks) socket.write(block);
    setTimeout(() => socket.destroy(), 60);
  });
}

const STRANGER = '00000000-0000-4000-8000-000000000001';
const LAST_TERM = 2 ** 48 - 1;

function messagesOf(from: string, to: string, { term, lastIndex }: Status): readonly Message[] {
  const data = new Uint8Array([1, 2, 3]);
  const passage = { from, to };
  return [term, term + 1, LAST_TERM].flatMap((named): readonly Message[] => {
    const envelope = { ...passage, term: named };
    const last = { lastIndex: lastIndex + 100, lastTerm: named - 1 };
    const at = { prevIndex: lastIndex, prevTerm: term, commit: lastIndex };
    return [
      { type: 'heartbeat', ...envelope, commit: lastIndex, round: 0 },
      { type: 'heartbeatReply', ...envelope, round: 1_000_000 },
      { type: 'vote', ...envelope, ...last, transfer: true },
      { type: 'voteReply', ...envelope, granted: true },
      { type: 'preVote', ...envelope, ...last },
      { type: 'preVoteReply', ...envelope, granted: true },
      { type: 'timeoutNow', ...envelope },
      { type: 'readIndex', ...envelope, readId: 1 },
      { type: 'readIndexReply', ...envelope, readId: 1, index: 9, lastIndex: 9 },
      { type: 'append', ...envelope, ...at, entries: [] },
      {
        type: 'append',
        ...envelope,
        ...at,
        entries: [{ term: named, index: lastIndex + 1, type: 'command', data }],
      },
      {
        type: 'append',
        ...envelope,
        prevIndex: 0,
        prevTerm: 0,
        commit: 1,
        entries: [{ term: named, index: 1, type: 'config', data }],
      },
      {
        type: 'appendReply',
        ...envelope,
        ok: true,
        index: lastIndex + 1_000,
        hintIndex: 0,
        hintTerm: 0,
        lost: false,
      },
      {
        type: 'snapshot',
        ...envelope,
        snapshot: {
          index: lastIndex + 1_000,
          term,
          config: { index: 1, confState: { ...EMPTY_CONFIG, voters: [from] } },
        },
      },
    ];
  });
}

const hash = 'ab'.repeat(32);

function framesOf(from: string, to: string, status: Status): readonly Frame[] {
  const bytes = new Uint8Array([0x91, 1]);
  const index = status.lastIndex;
  return [
    ...messagesOf(from, to, status).map((message): Frame => ({
      kind: 'raft',
      messages: [message],
    })),
    { kind: 'forward', sequence: 1, settledBelow: 1, batch: bytes },
    {
      kind: 'forwarded',
      life: 1,
      sequence: 1,
      result: 'ok',
      index,
      at: 1,
      message: '',
    },
    { kind: 'ask', ref: 1, request: { op: 'remove', node: to } },
    { kind: 'ask', ref: 2, request: { op: 'transfer', node: null } },
    { kind: 'answer', ref: 1, code: 'ok', message: '' },
    { kind: 'offer', manifest: bytes },
    { kind: 'want', index, hashes: [hash], missing: 1, total: 1 },
    { kind: 'chunks', index, chunks: [{ hash, bytes }] },
    { kind: 'have', index },
    { kind: 'gone', index },
    { kind: 'root', index, root: hash },
    { kind: 'time', at: 1, offsetMs: 1_000_000 },
    { kind: 'fitnessRequest', round: 1, integrations: ['team/webhook[0]', 'nobody/webhook[9]'] },
    {
      kind: 'fitnessReport',
      round: 1,
      syncMs: Number.MAX_SAFE_INTEGER,
      lagMs: 0,
      descriptorsFree: 0,
      unreachable: ['nobody/webhook[9]'],
      lastTransfer: { term: 2 ** 48, tries: 1, agoMs: 0 },
    },
  ] as readonly Frame[];
}

let nonces = 0;

function helloFrom(from: string, to: Status, incarnation: number): PeerHello {
  return {
    clusterId: to.clusterId,
    nodeId: from,
    name: 'nobody',
    incarnation,
    nonce: `nonce ${nonces++}`,
    to: to.nodeId,
    channel: 'control',
    address: '127.0.0.1:9',
  };
}

/** A frame that fits the connection of `hello`, as it is or with some of its bytes changed. */
function blockFor(hello: PeerHello, frame: Frame, changes: readonly (readonly [number, number])[]) {
  const sender = { ...hello };
  const bytes = Uint8Array.from(encodeFrame(sender, hello.to, Date.now(), frame));
  for (const [at, byte] of changes) bytes[at % bytes.length] = byte;
  return blockOf(frameTag(hello), bytes);
}

const changesOf = fc.array(fc.tuple(fc.nat(400), fc.nat(255)), { minLength: 1, maxLength: 4 });

/** Frames of every kind, whole and mutated, from a node that belongs and from one that does not. */
async function attack(daemon: Daemon, from: string, rounds: number, seed: number): Promise<void> {
  const to = await statusOf(daemon);
  const frames = framesOf(from, to.nodeId, to);
  for (const frame of frames) {
    const hello = helloFrom(from, to, 1_000);
    await say(daemon, hello, [blockFor(hello, frame, [])]);
  }
  for (const changes of fc.sample(fc.array(changesOf, { maxLength: 20 }), {
    numRuns: rounds,
    seed,
  })) {
    const hello = helloFrom(from, to, 1_000);
    const blocks = changes.map((each, i) => {
      return blockFor(hello, frames[(i * 7 + each.length) % frames.length] as Frame, each);
    });
    await say(daemon, hello, blocks);
  }
}

const ROUNDS = Number(process.env['TOCSIN_FUZZ_ROUNDS'] ?? 15);

it(
  'no byte of a stranger ends a process, moves leadership, or keeps a member out',
  async () => {
    const at = await site();
    const daemons = await three(at);
    const before = await Promise.all(daemons.map(statusOf));
    for (const [i, daemon] of daemons.entries()) await attack(daemon, STRANGER, ROUNDS, i);
    const [n1] = daemons as [Daemon];
    const own = before[1]?.nodeId ?? '';
    for (const incarnation of [2 ** 47, LAST_TERM]) {
      await say(n1, helloFrom(own, before[0] as Status, incarnation), []);
    }
    await push(daemons, 'StillHere');
    const after = await Promise.all(daemons.map(statusOf));
    expect(after.map(({ role, term }) => [role, term])).toEqual(
      before.map(({ role, term }) => [role, term]),
    );
    expect(daemons.map(({ process }) => process.exitCode)).toEqual([null, null, null]);
  },
  180_000 + ROUNDS * 1_000,
);

it(
  'a node alone is led by nobody, and starts again after whatever it was sent',
  async () => {
    const at = await site();
    const daemon = await at.start('n1');
    await until(async () => (await statusOf(daemon)).role === 'leader');
    const before = await statusOf(daemon);
    await attack(daemon, STRANGER, ROUNDS, 7);
    expect(await statusOf(daemon)).toMatchObject({ role: 'leader', term: before.term });
    expect(await daemon.kill('SIGKILL')).toBeNull();
    const again = await at.start('n1');
    await until(async () => (await statusOf(again)).role === 'leader');
    await push([again], 'Again');
  },
  60_000 + ROUNDS * 1_000,
);

it('what is sent in the name of a member that is down ends no process', async () => {
  const at = await site();
  const daemons = await three(at);
  const [n1, n2, n3] = daemons as [Daemon, Daemon, Daemon];
  const third = (await statusOf(n3)).nodeId;
  expect(await n3.kill('SIGTERM')).toBe(0);
  for (const daemon of [n1, n2]) {
    const to = await statusOf(daemon);
    // Starts that it may have made meanwhile: a liar at a port without proof can say so.
    for (const frame of framesOf(third, to.nodeId, to)) {
      const hello = helloFrom(third, to, Date.now());
      await say(daemon, hello, [blockFor(hello, frame, [])]);
    }
  }
  expect([n1, n2].map(({ process }) => process.exitCode)).toEqual([null, null]);
}, 120_000);
