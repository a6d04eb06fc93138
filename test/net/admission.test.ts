import { once } from 'node:events';
import { afterEach, describe, expect, it } from 'vitest';
import { blockOf, HEADER_BYTES, TAG_BYTES } from '../../src/io/net/blocks.ts';
import { encodeHello, framesLevelOf, frameTag, processNonce } from '../../src/io/net/hello.ts';
import { decodeCanonical, encodeCanonical } from '../../src/log/codec.ts';
import { StandingClock } from '../monitors/world.ts';
import { call, connectAll, endWorld, greet, helloOf, member, refusalOf, until } from './world.ts';

afterEach(endWorld);

describe('who is not let in', () => {
  it('a member of another cluster, and both logs say which clusters they are', async () => {
    const one = await member('one');
    const two = await member('two', { clusterId: 'cluster-2' });
    two.transport.setPeers([one]);
    await until(() => two.problems().length > 0);
    const [sentence] = two.problems();
    expect(sentence).toContain('is in cluster cluster-1, not in cluster cluster-2');
    expect(one.logged('peer refused', 'reason')).toEqual([sentence]);
  });

  it('a member with data of before a recovery, which is told how to come back', async () => {
    const one = await member('one', { clusterId: 'cluster-1~2' });
    for (const clusterId of ['cluster-1', 'cluster-1~1']) {
      expect(await refusalOf(one.port, helloOf({ clusterId }))).toBe(
        'cluster cluster-1 was recovered with --standalone, and node two (node-2) has the data of before: start it with an empty data directory and --join',
      );
    }
  });

  it('a recovered member, by one with data of before: it is the other that must start anew', async () => {
    const one = await member('one', { clusterId: 'cluster-1~9' });
    const sentence = await refusalOf(one.port, helloOf({ clusterId: 'cluster-1~10' }));
    expect(sentence).toContain('node one (node-1) has the data of before');
  });

  it('somebody who looks for another node at an address that was given anew', async () => {
    const one = await member('one');
    const two = await member('two');
    two.transport.setPeers([{ nodeId: 'node-3', address: one.address }]);
    await until(() => two.problems().length > 0);
    expect(two.problems()).toEqual([`at ${one.address} is node one (node-1), not node-3`]);
    expect(one.logged('peer refused', 'reason')).toEqual(two.problems());
  });

  it('a process with the identity of the node itself', async () => {
    const one = await member('one');
    const hello = helloOf({ nodeId: 'node-1', name: 'one' });
    expect(await refusalOf(one.port, hello)).toContain('is a data directory a copy?');
  });

  it('a second process of one start, also when the first is gone: the directory is a copy', async () => {
    const one = await member('one');
    const first = await greet(one.port, helloOf({ nonce: 'a' }));
    expect(await refusalOf(one.port, helloOf({ nonce: 'b' }))).toContain(
      'two processes have the identity of node two (node-2)',
    );
    first.socket.destroy();
    await until(() => one.transport.stats().peers.length === 0);
    expect(await refusalOf(one.port, helloOf({ nonce: 'b' }))).toContain(
      'two processes have the identity of node two (node-2)',
    );
    const { incarnation } = helloOf({});
    const next = await greet(one.port, helloOf({ nonce: 'b', incarnation: incarnation + 1 }));
    expect(next.answer.kind).toBe('welcome');
  });

  it('the clone of a data directory that both run: the log of each side says so', async () => {
    const [one, two] = [await member('one'), await member('two')];
    await connectAll(one, two);
    const clone = await member('two');
    clone.transport.setPeers([one]);
    await until(() => clone.problems().length > 0);
    expect(one.logged('peer refused', 'reason')[0]).toContain('a copy?');
    expect(one.isConnected('node-2')).toBe(true);
  });

  it('an older start of a node, also after the newer one has gone', async () => {
    const one = await member('one');
    const newer = await greet(one.port, helloOf({ incarnation: 7, nonce: 'a' }));
    const older = helloOf({ incarnation: 6, nonce: 'b' });
    expect(await refusalOf(one.port, older)).toContain('this is start 6, and start 7 was seen');
    newer.socket.destroy();
    await until(() => one.transport.stats().peers.length === 0);
    expect(await refusalOf(one.port, older)).toContain('Stop the older process');
  });

  it('an older start, which learns that its data is of an earlier moment if it knows the word', async () => {
    const one = await member('one');
    const later = { incarnation: 7, nonce: processNonce('a', 2) };
    const newer = await greet(one.port, helloOf(later));
    newer.socket.destroy();
    await until(() => one.transport.stats().peers.length === 0);
    for (const [nonce, code] of [
      [processNonce('b', 2), 'outdated'],
      ['b', 'refused'],
    ] as const) {
      for (const incarnation of [6, 7]) {
        const { answer } = await greet(one.port, helloOf({ incarnation, nonce }));
        expect(answer).toMatchObject({ kind: 'refused', code });
      }
    }
    const two = await member('two', { incarnation: 6, framesLevel: 2 });
    two.transport.setPeers([one]);
    await until(() => two.receiver.outdatedBy.length > 0);
    expect(two.receiver.outdatedBy[0]).toBe('node-1');
    expect(two.problems()[0]).toContain('this is start 6, and start 7 was seen');
  });

  it('a node that was removed from the cluster, with the sentence of the cluster', async () => {
    const one = await member('one');
    one.receiver.removed.set('node-2', 'node-2 was removed at index 12');
    expect(await refusalOf(one.port, helloOf())).toBe('node-2 was removed at index 12');
  });

  it('a node that is removed while it is connected', async () => {
    const [one, two] = [await member('one'), await member('two')];
    await connectAll(one, two);
    one.receiver.removed.set('node-2', 'node-2 was removed at index 12');
    one.transport.setPeers([]);
    await until(() => two.problems().length > 0);
    expect(one.transport.stats().peers).toEqual([]);
  });

  it('a speaker of another version, which can read why', async () => {
    const one = await member('one');
    const hello = Buffer.from(encodeHello({ kind: 'peer', ...helloOf() }));
    hello.writeUInt16BE(2, 'TOCSIN'.length);
    const { socket, closed } = await call(one.port);
    socket.write(hello);
    expect((await closed).toString('latin1')).toContain(
      'version 2 of the peer protocol was spoken to a member that speaks version 1',
    );
  });

  it('anybody, before the node has started or is in a cluster: they shall come again', async () => {
    const one = await member('one', { attached: false, clusterId: null });
    expect(await refusalOf(one.port, helloOf())).toContain('is in no cluster yet');
    one.transport.enterCluster('cluster-1');
    expect(await refusalOf(one.port, helloOf())).toContain('is starting');
    expect(one.logger.lines.filter(({ level }) => level !== 'debug')).toEqual([]);
    one.transport.attach(one.receiver);
    expect((await greet(one.port, helloOf())).answer.kind).toBe('welcome');
  });
});

describe('who is let in', () => {
  it('processes that read different frames, each of which knows how far the other goes', async () => {
    const [one, two] = [await member('one', { framesLevel: 2 }), await member('two')];
    await connectAll(one, two);
    await until(() => one.transport.framesLevel('node-2') !== null);
    await until(() => two.transport.framesLevel('node-1') !== null);
    expect(one.transport.framesLevel('node-2')).toBe(1);
    expect(two.transport.framesLevel('node-1')).toBe(2);
    expect(one.transport.framesLevel('node-3')).toBeNull();
    // A number that somebody made up, or that a release before this one made.
    for (const nonce of ['a+', 'a+x', 'a+0', 'a+99999', '6f1e0d1c-aaaa-bbbb-cccc-0123456789ab']) {
      expect(framesLevelOf(nonce)).toBe(1);
    }
  });

  it('a newer start of a node, which closes the connections of the older one', async () => {
    const one = await member('one');
    const older = await greet(one.port, helloOf({ incarnation: 1, nonce: 'a' }));
    const newer = await greet(one.port, helloOf({ incarnation: 2, nonce: 'b' }));
    await older.closed;
    const tag = frameTag(helloOf({ incarnation: 2, nonce: 'b' }));
    newer.socket.write(blockOf(tag, Buffer.from('from the newer')));
    await until(() => one.receiver.frames.length === 1);
  });

  it('no newer start beside a process that speaks, since anybody could say that it is one', async () => {
    const one = await member('one');
    const older = await greet(one.port, helloOf({ incarnation: 1, nonce: 'a' }));
    older.socket.write(
      blockOf(frameTag(helloOf({ incarnation: 1, nonce: 'a' })), Buffer.from('here')),
    );
    await until(() => one.receiver.frames.length === 1);
    const liar = helloOf({ incarnation: 2, nonce: 'b' });
    expect(await refusalOf(one.port, liar)).toContain('is connected as start 1 and speaks');
    older.socket.write(
      blockOf(frameTag(helloOf({ incarnation: 1, nonce: 'a' })), Buffer.from('still')),
    );
    await until(() => one.receiver.frames.length === 2);
    older.socket.destroy();
    await until(() => !one.transport.stats().peers.some(({ heard }) => heard));
    expect((await greet(one.port, liar)).answer.kind).toBe('welcome');
  });

  it.each([2 ** 48, 2 ** 53 - 1])('nobody who names start %d', async (incarnation) => {
    const one = await member('one');
    const { socket, closed } = await call(one.port);
    const good = encodeHello({ kind: 'peer', ...helloOf() });
    const [kind, fields] = decodeCanonical(good.subarray(HEADER_BYTES)) as [number, unknown[]];
    const payload = encodeCanonical([kind, fields.with(3, incarnation)]);
    socket.write(blockOf(good.subarray(0, TAG_BYTES), payload));
    expect((await closed).toString('latin1')).toContain('hello.incarnation');
    expect((await greet(one.port, helloOf())).answer.kind).toBe('welcome');
  });

  it('nobody without proof who names a start that would keep the real member out', async () => {
    const one = await member('one');
    expect(await refusalOf(one.port, helloOf({ incarnation: 2 ** 47 }))).toContain(
      'cannot be believed',
    );
    expect((await greet(one.port, helloOf())).answer.kind).toBe('welcome');
  });

  it('a process that dials a channel again, in place of its connection before', async () => {
    const one = await member('one');
    const before = await greet(one.port, helloOf());
    const after = await greet(one.port, helloOf());
    await before.closed;
    after.socket.write(blockOf(frameTag(helloOf()), Buffer.from('still me')));
    await until(() => one.receiver.frames.length === 1);
  });

  it('a node that joins its cluster: those who waited find it without being told', async () => {
    const one = await member('one');
    const two = await member('two', { clusterId: null });
    one.transport.setPeers([two]);
    await until(() => one.logger.lines.some(({ message }) => message === 'peer not ready'));
    two.transport.enterCluster('cluster-1');
    await until(() => one.isConnected('node-2'));
  });
});

describe('what is said about those who were refused', () => {
  it('a sentence is logged once a minute, with the number of those left out', async () => {
    const clock = new StandingClock();
    const one = await member('one', { clock });
    const wrong = helloOf({ clusterId: 'cluster-2' });
    for (let i = 0; i < 3; i++) await refusalOf(one.port, wrong);
    expect(one.logged('peer refused', 'from')).toEqual(['127.0.0.1']);
    clock.pass(60_000);
    await refusalOf(one.port, wrong);
    expect(one.logged('peer refused', 'leftOut')).toEqual([undefined, 2]);
    expect(one.transport.stats().refusals).toBe(4);
  });

  it('a thousand different sentences cannot fill the log', async () => {
    const clock = new StandingClock();
    const one = await member('one', { clock });
    for (let i = 0; i < 1_000; i++) {
      const { socket } = await call(one.port);
      socket.write(encodeHello({ kind: 'peer', ...helloOf({ clusterId: `cluster-${i + 2}` }) }));
      await once(socket, 'close');
    }
    expect(one.logged('peer refused', 'from').length).toBeLessThan(300);
    expect(one.transport.stats().refusals).toBe(1_000);
  });
});
