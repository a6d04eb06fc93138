import type { Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { BlockReader, hasChecksum } from '../../src/io/net/blocks.ts';
import type { Hello } from '../../src/io/net/hello.ts';
import { frameTag } from '../../src/io/net/hello.ts';
import { StandingClock } from '../monitors/world.ts';
import { call, endWorld, greet, helloOf, member, pretender, until, welcome } from './world.ts';

afterEach(endWorld);

/** Lets so many seconds pass, and what happens in each of them happen. */
async function seconds(clock: StandingClock, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    clock.pass(1_000);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

describe('a peer that stays silent', () => {
  it('takes the connection and never answers the hello: it is given up after 3 s', async () => {
    const clock = new StandingClock();
    const one = await member('one', { clock });
    const mute = await pretender(() => undefined);
    one.transport.setPeers([{ nodeId: 'node-2', address: mute.address }]);
    await until(() => mute.sockets.length === 2);
    await until(() => mute.sockets.every(({ bytesRead }) => bytesRead > 0));
    expect(one.receiver.unreachable).toEqual([]);
    clock.pass(3_000);
    await until(() => one.receiver.unreachable.length > 0);
    expect(one.problems()).toEqual(['it does not answer within 3 s']);
  });

  it('is cut off without a word: the control channel is given up after 4 s', async () => {
    const clock = new StandingClock();
    const one = await member('one', { clock });
    const cutOff = await pretender((socket) => {
      socket.write(welcome);
      socket.pause();
    });
    one.transport.setPeers([{ nodeId: 'node-2', address: cutOff.address }]);
    await until(() => one.isConnected('node-2'));
    await seconds(clock, 4);
    expect(one.isConnected('node-2')).toBe(true);
    await seconds(clock, 1);
    expect(one.receiver.unreachable).toEqual(['node-2']);
    expect(one.problems()[0]).toBe('it gives no sign of life for 4 s');
    // It is dialled again at once, and again it answers.
    clock.pass(50);
    await until(() => one.isConnected('node-2'));
  });

  it('answers every sign of life: the connection is kept for hours', async () => {
    const clock = new StandingClock();
    const one = await member('one', { clock });
    const two = await member('two');
    one.transport.setPeers([two]);
    await until(() => one.isConnected('node-2'));
    for (let i = 1; i <= 60; i++) {
      clock.pass(1_000);
      const echoes = i * 16;
      const bytes = () => two.transport.stats().peers[0]?.bulk.bytesReceived ?? 0;
      await until(() => bytes() >= echoes);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(one.isConnected('node-2')).toBe(true);
    expect(one.receiver.unreachable).toEqual([]);
  });

  it('stops reading bulk: control goes on, and bulk is given up after 10 s', async () => {
    const clock = new StandingClock();
    const one = await member('one', { clock });
    const heard: string[] = [];
    const slow = await pretender((socket, hello) => {
      socket.write(welcome);
      if (channelOf(hello) === 'bulk') socket.pause();
      else obey(socket, hello, heard);
    });
    one.transport.setPeers([{ nodeId: 'node-2', address: slow.address }]);
    await until(() => one.isConnected('node-2'));

    const frame = new Uint8Array(1024 * 1024);
    for (let i = 0; i < 64; i++) one.transport.send('node-2', frame, 'bulk');
    one.send('node-2', 'heartbeat');
    await until(() => heard.includes('heartbeat'));
    const bulk = () => one.transport.stats().peers[0]?.bulk;
    expect(bulk()?.framesDropped).toBeGreaterThan(20);
    expect(bulk()?.framesDropped).toBeLessThan(64);

    for (let i = 0; i < 12; i++) {
      const heardBefore = heard.length;
      await seconds(clock, 1);
      await until(() => heard.length > heardBefore);
    }
    expect(one.receiver.unreachable).toEqual(['node-2']);
    expect(one.problems()[0]).toBe('it takes nothing for 10 s');
    one.send('node-2', 'still here');
    await until(() => heard.includes('still here'));
  });

  it('reads slowly, but reads: the connection is kept, and every frame comes', async () => {
    const clock = new StandingClock();
    const one = await member('one', { clock });
    const sizes: number[] = [];
    const slow = await pretender((socket, hello) => {
      socket.write(welcome);
      obey(socket, hello, [], sizes);
    });
    one.transport.setPeers([{ nodeId: 'node-2', address: slow.address }]);
    await until(() => one.isConnected('node-2'));
    const sizeBytes = 16 * 1024 * 1024;
    one.transport.send('node-2', new Uint8Array(sizeBytes), 'bulk');
    while (!sizes.includes(sizeBytes)) await seconds(clock, 1);
    expect(one.receiver.unreachable).toEqual([]);
  });

  it('says hello and then nothing for 15 s: it is taken for gone', async () => {
    const clock = new StandingClock();
    const one = await member('one', { clock });
    const half = await greet(one.port, helloOf());
    await seconds(clock, 15);
    expect(one.transport.stats().peers).toHaveLength(1);
    await seconds(clock, 1);
    await half.closed;
    expect(one.logged('peer connection ended', 'problem')).toEqual(['nothing came for 15 s']);
    await until(() => one.transport.stats().peers.length === 0);
  });

  it('does not even say hello: it is let go after 3 s', async () => {
    const clock = new StandingClock();
    const one = await member('one', { clock });
    const { closed } = await call(one.port);
    await until(() => clock.waiting === 2);
    clock.pass(3_000);
    await closed;
    expect(one.logged('peer refused', 'reason')).toEqual(['no hello within 3 s']);
  });

  it('looks whether the port is open, and goes: that is no news', async () => {
    const one = await member('one');
    const { socket, closed } = await call(one.port);
    socket.end();
    await closed;
    expect(one.logger.lines).toEqual([]);
  });

  it('comes three hundred times without a word: the oldest go, and a member gets in', async () => {
    const one = await member('one', { clock: new StandingClock() });
    const open = new Set<number>();
    for (let i = 0; i < 300; i++) {
      const { closed } = await call(one.port);
      open.add(i);
      void closed.then(() => open.delete(i));
    }
    await until(() => open.size === 128);
    const { answer } = await greet(one.port, helloOf());
    expect(answer.kind).toBe('welcome');
    await until(() => open.size === 127);
    expect(Math.min(...open)).toBe(300 - 127);
  });
});

function channelOf(hello: Hello): string {
  return hello.kind === 'peer' ? hello.channel : '';
}

/** Reads frames as a member does, and gives signs of life back. */
function obey(socket: Socket, hello: Hello, texts: string[], sizes: number[] = []): void {
  if (hello.kind !== 'peer') return;
  const tag = frameTag(hello);
  const reader = new BlockReader({
    accepts: (other) => Buffer.compare(tag, other) === 0,
    isWhole: hasChecksum,
    sizeBytesMax: 64 * 1024 * 1024,
    take: (payload) => {
      if (payload.length === 0) socket.write(Buffer.concat([tag, Buffer.alloc(8)]));
      texts.push(Buffer.from(payload.subarray(0, 64)).toString());
      sizes.push(payload.length);
    },
  });
  socket.on('data', (chunk: Buffer) => reader.read(chunk));
}
