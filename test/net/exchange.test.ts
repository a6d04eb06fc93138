import { afterEach, describe, expect, it } from 'vitest';
import type { Clock } from '../../src/io/ports.ts';
import { framesKnownIn, nonceOf } from '../../src/io/net/hello.ts';
import { StandingClock } from '../monitors/world.ts';
import { ONE, TWO } from './certificates.ts';
import {
  call,
  connectAll,
  endWorld,
  greet,
  helloOf,
  member,
  portOf,
  pretender,
  until,
  welcome,
} from './world.ts';

afterEach(endWorld);

describe('members of a cluster', () => {
  it('two: frames go both ways, on both channels, in their order', async () => {
    const [one, two] = [await member('one'), await member('two')];
    await connectAll(one, two);
    one.send('node-2', 'a');
    one.send('node-2', 'b');
    two.send('node-1', 'c', 'bulk');
    await until(() => two.receiver.frames.length === 2 && one.receiver.frames.length === 1);
    expect(two.receiver.frames).toEqual([
      ['node-1', 'a'],
      ['node-1', 'b'],
    ]);
    expect(one.receiver.frames).toEqual([['node-2', 'c']]);
  });

  it('three: each hears from both others who it was', async () => {
    const members = [await member('one'), await member('two'), await member('three')];
    await connectAll(...members);
    for (const each of members) {
      for (const { nodeId } of members) if (nodeId !== each.nodeId) each.send(nodeId, 'ping');
    }
    await until(() => members.every(({ receiver }) => receiver.frames.length === 2));
    for (const each of members) {
      const others = members.map(({ nodeId }) => nodeId).filter((id) => id !== each.nodeId);
      expect(each.receiver.frames.map(([from]) => from).toSorted()).toEqual(others);
    }
  });

  it('two of different builds: each knows which frames the other one reads, or that it does not say', async () => {
    const one = await member('one', { framesKnown: 14 });
    const two = await member('two');
    await connectAll(one, two);
    await until(() => two.transport.framesKnownBy('node-1') === 14);
    expect(one.transport.framesKnownBy('node-2')).toBe(0);
    expect(one.transport.framesKnownBy('node-3')).toBe(0);
  });

  it('a hello says so where a build that does not know it looks for nothing', async () => {
    const old = await member('two');
    const hello = helloOf({ nonce: nonceOf('5f0c4b0e-55e7-4b39-a9f7-2a8f3f1c7d10', 9_999) });
    await greet(old.port, { ...hello, to: 'node-2' });
    expect(framesKnownIn(hello.nonce)).toBe(9_999);
    for (const nonce of ['', 'a', '5f0c~', 'x~12y', '~99999']) expect(framesKnownIn(nonce)).toBe(0);
  });

  it('a frame of 16 MiB arrives whole, and heartbeats pass it', async () => {
    const [one, two] = [await member('one'), await member('two')];
    await connectAll(one, two);
    const sizeBytes = 16 * 1024 * 1024;
    one.transport.send('node-2', new Uint8Array(sizeBytes).fill(7), 'bulk');
    one.send('node-2', 'heartbeat');
    await until(() => two.receiver.frames.length === 2);
    expect(two.receiver.frames[0]).toEqual(['node-1', 'heartbeat']);
    expect(two.receiver.sizes).toEqual(['heartbeat'.length, sizeBytes]);
  });

  it('a frame that is sent before there is a connection waits for it', async () => {
    const [one, two] = [await member('one'), await member('two')];
    one.transport.setPeers([two]);
    one.send('node-2', 'early');
    await until(() => two.receiver.frames.length === 1);
  });

  it('a frame for nobody, or of no bytes, or of too many, is dropped and counted', async () => {
    const [one, two] = [await member('one', { frameBytesMax: 100 }), await member('two')];
    await connectAll(one, two);
    one.send('node-9', 'hello?');
    one.transport.send('node-2', new Uint8Array(101), 'bulk');
    one.send('node-2', '');
    one.send('node-2', 'last');
    await until(() => two.receiver.frames.length > 0);
    expect(two.receiver.frames).toEqual([['node-1', 'last']]);
    const { framesUndeliverable, peers } = one.transport.stats();
    expect(framesUndeliverable).toBe(2);
    expect(peers[0]?.control).toMatchObject({ framesSent: 1, framesDropped: 1 });
    expect(one.logged('frame dropped: too large', 'sizeBytes')).toEqual([101]);
  });

  it('the list of members may name the node itself', async () => {
    const one = await member('one');
    one.transport.setPeers([one]);
    expect(one.transport.stats().peers).toEqual([]);
  });

  it('counts what went over each channel', async () => {
    const [one, two] = [await member('one'), await member('two')];
    await connectAll(one, two);
    one.send('node-2', 'twelve bytes', 'bulk');
    await until(() => two.receiver.frames.length === 1);
    const [stats] = two.transport.stats().peers;
    expect(stats).toMatchObject({ nodeId: 'node-1', heard: true });
    expect(stats?.bulk).toMatchObject({ framesReceived: 1, bytesReceived: 12 + 16 });
    expect(one.transport.stats().peers[0]?.bulk).toMatchObject({
      connected: true,
      framesSent: 1,
      bytesSent: 12 + 16,
    });
  });
});

describe('a member that goes away', () => {
  it('is told to the node, and dialled until it is back', async () => {
    const [one, two] = [await member('one'), await member('two')];
    await connectAll(one, two);
    await two.transport.close();
    await until(() => one.receiver.unreachable.length > 0);
    expect(one.isConnected('node-2')).toBe(false);

    const again = await member('two', { port: two.port, incarnation: 2 });
    await until(() => one.isConnected('node-2'));
    one.send('node-2', 'welcome back');
    await until(() => again.receiver.frames.length === 1);
  });

  it('is dialled at once when it comes back and dials first', async () => {
    const clock = new StandingClock();
    const one = await member('one', { clock });
    const two = await member('two');
    one.transport.setPeers([two]);
    await until(() => one.isConnected('node-2'));
    await two.transport.close();
    await until(() => one.receiver.unreachable.length > 0);

    // The clock of one stands, so the pause before its next try never ends.
    const again = await member('two', { port: two.port, incarnation: 2 });
    again.transport.setPeers([one]);
    await until(() => one.isConnected('node-2'));
  });

  it('is told at most once a second, however often it cannot be reached', async () => {
    const { clock, standing, pausesMs } = pauseClock();
    const one = await member('one', { clock });
    const gone = await pretender((socket) => socket.destroy());
    one.transport.setPeers([{ nodeId: 'node-2', address: gone.address }]);
    // Both channels fail, and are tried again after 38, then 75 milliseconds.
    for (const count of [2, 4, 6]) {
      await until(() => pausesMs.length === count);
      expect(one.receiver.unreachable).toEqual(['node-2']);
      standing.pass(count < 6 ? 75 : 1_000);
    }
    await until(() => one.receiver.unreachable.length === 2);
  });

  it('lets us in and breaks at once, always: it is dialled less and less often', async () => {
    const { clock, standing, pausesMs } = pauseClock();
    const one = await member('one', { clock });
    const fickle = await pretender((socket) => socket.end(welcome));
    one.transport.setPeers([{ nodeId: 'node-2', address: fickle.address }]);
    // Chance takes up to half of a pause away; here, a quarter.
    const expected = [50, 100, 200, 400, 800, 1_600, 2_000, 2_000].map((ms) => 0.75 * ms);
    for (const [i, pauseMs] of expected.entries()) {
      await until(() => pausesMs.length === 2 * (i + 1));
      expect(pausesMs.slice(-2)).toEqual([pauseMs, pauseMs]);
      standing.pass(pauseMs);
    }
  });

  it('loses what waited for it, which is counted', async () => {
    const clock = new StandingClock();
    const one = await member('one', { clock });
    const mute = await pretender(() => undefined);
    one.transport.setPeers([{ nodeId: 'node-2', address: mute.address }]);
    one.send('node-2', 'while it is dialled');
    mute.close();
    await until(() => one.receiver.unreachable.length > 0);
    one.send('node-2', 'while it is away');
    expect(one.transport.stats().peers[0]?.control.framesDropped).toBe(2);
  });

  it('is left for good when it is not in the list any more', async () => {
    const [one, two] = [await member('one'), await member('two')];
    await connectAll(one, two);
    two.receiver.unreachable.length = 0;
    two.transport.setPeers([]);
    one.transport.setPeers([]);
    await until(() => one.transport.stats().peers.length === 0);
    await until(() => two.transport.stats().peers.length === 0);
    expect([one.receiver.unreachable, two.receiver.unreachable]).toEqual([[], []]);
  });
});

describe('addresses of members', () => {
  it('a member that moved is followed when the list says so', async () => {
    const [one, two] = [await member('one'), await member('two')];
    await connectAll(one, two);
    await two.transport.close();
    const moved = await member('two', { incarnation: 2 });
    one.transport.setPeers([moved]);
    one.send('node-2', 'found you');
    await until(() => one.isConnected('node-2'));
    one.send('node-2', 'found you');
    await until(() => moved.receiver.frames.length > 0);
  });

  it('a member is not waited for where it is not any more', async () => {
    const one = await member('one', { clock: new StandingClock() });
    const mute = await pretender(() => undefined);
    one.transport.setPeers([{ nodeId: 'node-2', address: mute.address }]);
    await until(() => mute.sockets.length === 2);
    one.transport.setPeers([await member('two')]);
    await until(() => one.isConnected('node-2'));
    await until(() => mute.sockets.every(({ destroyed }) => destroyed));
  });

  it('a member that moved is followed though the list is old, once it has dialled us', async () => {
    const [one, two] = [await member('one'), await member('two')];
    await connectAll(one, two);
    await two.transport.close();
    const moved = await member('two', { incarnation: 2 });
    moved.transport.setPeers([one]);
    await until(() => one.isConnected('node-2'));
  });

  it('a joiner that was dialled answers, though it has no list of members yet', async () => {
    const [one, two] = [await member('one'), await member('two')];
    one.transport.setPeers([two]);
    one.send('node-2', 'append');
    await until(() => two.receiver.frames.length === 1);
    two.send('node-1', 'accepted');
    await until(() => one.receiver.frames.length === 1);
    expect(one.receiver.frames).toEqual([['node-2', 'accepted']]);

    await one.transport.close();
    await until(() => two.transport.stats().peers.length === 0);
  });

  it('a peer that listens on all interfaces is answered where it came from', async () => {
    const one = await member('one');
    const two = await pretender((socket) => socket.write(welcome));
    const address = `0.0.0.0:${portOf(two.address)}`;
    await greet(one.port, helloOf({ address }));
    one.send('node-2', 'there you are');
    await until(() => one.isConnected('node-2'));
    expect(one.logged('peer connected', 'address')).toEqual([two.address]);
  });

  it('an address that is none is said, and harms nothing', async () => {
    const one = await member('one');
    one.transport.setPeers([{ nodeId: 'node-2', address: 'not an address' }]);
    await until(() => one.receiver.unreachable.length > 0);
    expect(one.problems()[0]).toContain('must be HOST:PORT');
  });

  it('a node id that is none is said, and harms nothing', async () => {
    const one = await member('one');
    one.transport.setPeers([{ nodeId: 'not an id', address: one.address }]);
    await until(() => one.receiver.unreachable.length > 0);
    expect(one.problems()[0]).toContain('hello.to');
  });
});

describe('the end of a transport', () => {
  it('frees the port, closes every connection and delivers what was sent', async () => {
    for (const sealed of [false, true]) {
      const one = await member('one', { tls: sealed ? ONE : null });
      const two = await member('two', { tls: sealed ? TWO : null });
      await connectAll(one, two);
      const bystander = await call(one.port);
      for (let i = 0; i < 100; i++) one.send('node-2', 'last words');
      await one.transport.close();
      await bystander.closed;
      await until(() => two.receiver.frames.length === 100);
      await member('one', { port: one.port });
    }
  });

  it('lets nothing begin anew', async () => {
    const [one, two] = [await member('one'), await member('two')];
    await one.transport.close();
    one.transport.setPeers([two]);
    one.send('node-2', 'nothing');
    expect(one.transport.stats().peers).toEqual([]);
  });

  it('does not begin with a name that fits no hello', async () => {
    await expect(member('one', { name: 'n'.repeat(300) })).rejects.toThrow('has 300 characters');
  });

  it('rejects with the reason when the port is taken', async () => {
    const one = await member('one');
    await expect(member('two', { port: one.port })).rejects.toThrow('EADDRINUSE');
  });
});

/** A clock that stands still, with the pauses before a peer is dialled again. */
function pauseClock() {
  const standing = new StandingClock();
  const pausesMs: number[] = [];
  const clock: Clock = {
    now: () => standing.now(),
    monotonicMs: () => standing.monotonicMs(),
    after: (delayMs, task) => {
      // All others are the pulse and the limits of dialling.
      if (delayMs % 1_000 !== 0) pausesMs.push(delayMs);
      return standing.after(delayMs, task);
    },
  };
  return { clock, standing, pausesMs };
}
