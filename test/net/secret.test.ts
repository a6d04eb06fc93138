/** The secret of a cluster: who is let in with it, and what a recorded or forged byte is worth. */

import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { encodeAnswer, refused } from '../../src/io/net/hello.ts';
import { Keyring, parseSecrets } from '../../src/io/net/secret.ts';
import type { JoinRequest } from '../../src/io/ports.ts';
import { endWorld, member, onEnd, until, type Member } from './world.ts';

afterEach(endWorld);

const OLD = 'the old secret of the cluster';
const NEW = 'the new secret of the cluster';

function candidateOf({ nodeId, address }: Member): JoinRequest {
  return { nodeId, name: nodeId, peerAddress: address, httpAddress: 'x:1', clusterId: '' };
}

/** Both know where the other is. */
function introduce(...members: readonly Member[]): void {
  for (const { transport } of members) {
    transport.setPeers(members.map(({ nodeId, address }) => ({ nodeId, address })));
  }
}

async function exchanges(one: Member, two: Member, text: string): Promise<void> {
  await until(() => one.isConnected(two.nodeId) && two.isConnected(one.nodeId));
  one.send(two.nodeId, text);
  two.send(one.nodeId, text);
  await until(() => [one, two].every(({ receiver }) => receiver.frames.at(-1)?.[1] === text));
}

/** A way to `port` that keeps what the one who dials says, and lets `change` touch it. */
async function wiretap(
  port: number,
  change: (bytes: Buffer, at: number) => Buffer = (bytes) => bytes,
) {
  const recorded: Buffer[] = [];
  const sockets: Socket[] = [];
  const server = createServer((from) => {
    const to = connect(port, '127.0.0.1');
    sockets.push(from, to);
    from.on('data', (bytes: Buffer) => {
      to.write(change(bytes, recorded.length));
      recorded.push(bytes);
    });
    to.on('data', (bytes) => from.write(bytes));
    for (const socket of [from, to]) {
      socket.on('error', () => undefined);
      socket.on('close', () => sockets.forEach((each) => each.destroy()));
    }
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  onEnd(() => {
    sockets.forEach((each) => each.destroy());
    server.close();
  });
  return { recorded, address: `127.0.0.1:${(server.address() as AddressInfo).port}` };
}

describe('members with a secret', () => {
  it('talk, small frames and large ones', async () => {
    const one = await member('one', { secrets: [OLD] });
    const two = await member('two', { secrets: [OLD] });
    introduce(one, two);
    await exchanges(one, two, 'hello');
    one.send('node-2', 'x'.repeat(3_000_000), 'bulk');
    await until(() => two.receiver.sizes.includes(3_000_000));
  });

  it('let in neither another secret, nor none, and say what to do', async () => {
    const one = await member('one', { secrets: [OLD] });
    const other = await member('two', { secrets: [NEW] });
    const bare = await member('three');
    introduce(one, other);
    introduce(one, bare);
    other.transport.setPeers([one]);
    await until(() => other.problems().length > 0 && bare.problems().length > 0);
    expect(other.problems()[0]).toContain('all members need one in common');
    expect(bare.problems()[0]).toContain('give all members the same --cluster-secret-file');
    expect(one.receiver.frames).toEqual([]);
  });

  it('talk while the secret is changed in two rounds', async () => {
    const one = await member('one', { secrets: [OLD] });
    const two = await member('two', { secrets: [OLD] });
    introduce(one, two);
    await exchanges(one, two, 'before');
    one.transport.changeSecrets([NEW, OLD]);
    await exchanges(one, two, 'one accepts both');
    two.transport.changeSecrets([NEW, OLD]);
    await exchanges(one, two, 'both accept both');
    one.transport.changeSecrets([NEW]);
    await exchanges(one, two, 'one requires the new one');
    two.transport.changeSecrets([NEW]);
    await exchanges(one, two, 'both require the new one');
  });

  it('end connections that only a dropped secret guards', async () => {
    const one = await member('one', { secrets: [OLD] });
    const two = await member('two', { secrets: [OLD] });
    introduce(one, two);
    await exchanges(one, two, 'before');
    one.transport.changeSecrets([NEW]);
    await until(() => !two.isConnected('node-1') && !one.isConnected('node-2'));
    await until(() => two.problems().some((each) => String(each).includes('another secret')));
  });

  it('take in a cluster without one, member by member, while both kinds are accepted', async () => {
    const bare = await member('one');
    const both = await member('two', { secrets: [OLD], acceptsPlain: true });
    const strict = await member('three', { secrets: [OLD] });
    introduce(bare, both);
    await exchanges(bare, both, 'with a member that has none yet');
    introduce(both, strict);
    await exchanges(both, strict, 'with a member that requires it');
  });

  it('believe nobody without a proof who says that their data is of an earlier moment', async () => {
    const answer = encodeAnswer(refused('outdated', 'a later start was seen'), 2);
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.once('data', () => socket.end(answer));
    });
    onEnd(() => server.close());
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const one = await member('one', { secrets: [NEW], framesLevel: 2 });
    one.transport.setPeers([{ nodeId: 'node-2', address: `127.0.0.1:${port}` }]);
    await until(() => one.problems().length > 0);
    expect(one.problems()).toEqual(['a later start was seen']);
    expect(one.receiver.outdatedBy).toEqual([]);
  });

  it('prove to an applicant that they are the cluster, as it proves that it has the secret', async () => {
    const one = await member('one', { secrets: [OLD] });
    const joiner = await member('two', { clusterId: null, secrets: [OLD] });
    const stranger = await member('three', { clusterId: null, secrets: [NEW] });
    const ask = (from: Member) => from.transport.askToJoin(one.address, candidateOf(from));
    expect(await ask(joiner)).toEqual({ ok: true, clusterId: 'cluster-1' });
    expect(await ask(stranger)).toMatchObject({ ok: false, code: 'refused' });
    expect(one.receiver.candidates.map(({ nodeId }) => nodeId)).toEqual(['node-2']);
    const bare = await member('four');
    expect(await joiner.transport.askToJoin(bare.address, candidateOf(joiner))).toMatchObject({
      ok: false,
      code: 'refused',
    });
  });
});

describe('a recorded conversation', () => {
  it('is worth nothing when it is played again', async () => {
    const one = await member('one', { secrets: [OLD] });
    const two = await member('two', { secrets: [OLD] });
    const tap = await wiretap(one.port);
    two.transport.setPeers([{ nodeId: 'node-1', address: tap.address }]);
    await until(() => two.isConnected('node-1'));
    two.send('node-1', 'only once');
    await until(() => one.receiver.frames.length === 1);
    await two.transport.close();

    const again = connect(one.port, '127.0.0.1');
    onEnd(() => again.destroy());
    const ended = new Promise((resolve) => again.on('close', resolve));
    for (const bytes of tap.recorded) again.write(bytes);
    again.resume();
    await ended;
    expect(one.receiver.frames).toEqual([['node-2', 'only once']]);
  });

  it.each([
    ['repeats a frame', (bytes: Buffer) => Buffer.concat([bytes, bytes])],
    [
      'changes a frame',
      (bytes: Buffer) => {
        const changed = Buffer.from(bytes);
        changed[changed.length - 1] = (changed.at(-1) ?? 0) ^ 1;
        return changed;
      },
    ],
  ])('ends when somebody on the way %s', async (_what, change) => {
    const one = await member('one', { secrets: [OLD] });
    const two = await member('two', { secrets: [OLD] });
    const tap = await wiretap(one.port, (bytes) => {
      return bytes.includes('touch me') ? change(bytes) : bytes;
    });
    two.transport.setPeers([{ nodeId: 'node-1', address: tap.address }]);
    await until(() => two.isConnected('node-1'));
    two.send('node-1', 'touch me');
    await until(() => one.logged('peer connection ended', 'problem').length > 0);
    expect(one.receiver.frames.filter(([, text]) => text === 'touch me').length).toBeLessThan(2);
    expect(one.logged('peer connection ended', 'problem')[0]).toContain('made up');
  });
});

describe('a file with secrets', () => {
  it('holds one or two, among comments', () => {
    expect(parseSecrets(`# ours\n${NEW}\r\n\n${OLD}\n`)).toEqual([NEW, OLD]);
  });

  it.each([
    ['', 'it holds no secret'],
    ['# nothing', 'it holds no secret'],
    ['short', 'can be guessed'],
    [[OLD, NEW, `${OLD}3`].join('\n'), 'at most 2'],
  ])('is refused with a sentence: %j', (text, problem) => {
    expect(() => parseSecrets(text)).toThrow(problem);
  });

  it('names a secret in the open by something from which nobody learns it', () => {
    const [id = ''] = new Keyring([OLD]).ids;
    expect(id).toMatch(/^[0-9a-f]{16}$/);
    expect(new Keyring([NEW]).ids).not.toContain(id);
  });
});
