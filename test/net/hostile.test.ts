import { once } from 'node:events';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { blockOf, headerOf } from '../../src/io/net/blocks.ts';
import { encodeAnswer, encodeHello, frameTag, type PeerHello } from '../../src/io/net/hello.ts';
import { encodeCanonical } from '../../src/log/codec.ts';
import {
  call,
  connectAll,
  endWorld,
  greet,
  helloOf,
  member,
  pretender,
  until,
  welcome,
  type Member,
} from './world.ts';

afterEach(endWorld);

const PREAMBLE = Buffer.from('TOCSIN\0\x01', 'latin1');

/** The log line of `member` about a caller that sends these bytes first. */
async function reasonFor(one: Member, bytes: Uint8Array): Promise<unknown> {
  const { socket, closed } = await call(one.port);
  socket.write(bytes);
  socket.end();
  await closed;
  await until(() => one.logged('peer refused', 'reason').length > 0);
  return one.logged('peer refused', 'reason')[0];
}

describe('bytes that are no hello', () => {
  it.each([
    ['a browser', Buffer.from('GET / HTTP/1.1\r\nHost: tocsin\r\n\r\n'), 'does not speak'],
    ['a client with TLS', Buffer.from('16030100f8010000f40303aabbccddee', 'hex'), 'without TLS'],
    ['half a hello', encodeHello({ kind: 'peer', ...helloOf() }).subarray(0, 40), 'before the end'],
    ['three bytes', PREAMBLE.subarray(0, 3), 'before the end'],
    [
      'a hello of 4 GiB',
      Buffer.concat([PREAMBLE, Buffer.from('ffffffff00000000', 'hex')]),
      'a hello of 4294967295 bytes, at most 4096 are taken',
    ],
    [
      'a hello that was changed on its way',
      Buffer.concat([headerOf(PREAMBLE, Buffer.from('true')), Buffer.from('fals')]),
      'wrong checksum',
    ],
    ['no msgpack', blockOf(PREAMBLE, Buffer.from('ffffffff', 'hex')), 'cannot be read'],
    ['something else', blockOf(PREAMBLE, encodeCanonical({ a: 1 })), 'is not a pair'],
    ['an unknown kind', blockOf(PREAMBLE, encodeCanonical([9, []])), 'of no known kind'],
    [
      'an unknown channel',
      blockOf(PREAMBLE, encodeCanonical([1, ['c', 'n', '', 1, '', 'm', 'fast', '']])),
      'hello.channel: is none of control, bulk',
    ],
  ])('from %s are refused with one clear line', async (_, bytes, reason) => {
    expect(await reasonFor(await member('one'), bytes)).toContain(reason);
  });

  it('do no harm, a thousand times', async () => {
    const one = await member('one');
    await fc.assert(
      fc.asyncProperty(strangeBytes(), async (bytes) => {
        const { socket, closed } = await call(one.port);
        socket.write(bytes);
        socket.end();
        await closed;
      }),
      { numRuns: 1_000 },
    );
    expect(one.receiver.frames).toEqual([]);
    const two = await member('two');
    await connectAll(one, two);
  });
});

/** Noise, and noise in the shape of a hello, so that all of the checks are reached. */
function strangeBytes(): fc.Arbitrary<Uint8Array> {
  const noise = fc.uint8Array({ minLength: 1, maxLength: 200 });
  const content = fc.oneof(
    noise,
    fc.jsonValue({ maxDepth: 3 }).map(encodeCanonical),
    fc.tuple(fc.integer({ min: 0, max: 3 }), fc.array(fc.jsonValue())).map(encodeCanonical),
  );
  return fc.oneof(
    noise,
    noise.map((bytes) => Buffer.concat([PREAMBLE, bytes])),
    content.map((bytes) => blockOf(PREAMBLE, bytes)),
  );
}

describe('frames that are none', () => {
  /** What the log of `one` says when these bytes follow a good hello. */
  async function problemAfterHello(bytes: Uint8Array, hello = helloOf()): Promise<unknown> {
    const one = await member('one', { frameBytesMax: 1_000 });
    const { socket, closed } = await greet(one.port, hello);
    socket.write(bytes);
    await closed;
    expect(one.receiver.frames).toEqual([]);
    return one.logged('peer connection ended', 'problem')[0];
  }

  it('one byte over the limit: refused by its length alone', async () => {
    const header = headerOf(frameTag(helloOf()), new Uint8Array(1_001));
    expect(await problemAfterHello(header)).toBe('a frame of 1001 bytes, at most 1000 are taken');
  });

  it('changed on its way', async () => {
    const tag = frameTag(helloOf());
    const bytes = Buffer.concat([headerOf(tag, Buffer.from('on')), Buffer.from('no')]);
    expect(await problemAfterHello(bytes)).toContain('its checksum is wrong');
  });

  it.each<[string, Partial<PeerHello>]>([
    ['to another node', { to: 'node-3' }],
    ['from another node', { nodeId: 'node-3' }],
    ['of another cluster', { clusterId: 'cluster-2' }],
    ['of another life of the sender', { incarnation: 2 }],
    ['of another process', { nonce: 'other' }],
    ['of the other channel', { channel: 'bulk' }],
  ])('%s: it belongs to another connection', async (_, changes) => {
    const bytes = blockOf(frameTag(helloOf(changes)), Buffer.from('lost its way'));
    expect(await problemAfterHello(bytes)).toContain('belongs to another connection');
  });

  it('a second hello', async () => {
    const bytes = encodeHello({ kind: 'peer', ...helloOf() });
    expect(await problemAfterHello(bytes)).toContain('or no frame at all');
  });

  it('cut in the middle: what was whole before it counts, and nothing more', async () => {
    const one = await member('one');
    const { socket, closed } = await greet(one.port, helloOf());
    const whole = blockOf(frameTag(helloOf()), Buffer.from('whole'));
    socket.end(Buffer.concat([whole, whole.subarray(0, whole.length - 1)]));
    await closed;
    await until(() => one.transport.stats().peers.length === 0);
    expect(one.receiver.frames).toEqual([['node-2', 'whole']]);
  });

  it('noise after a good hello, two hundred times: nothing but good frames comes through', async () => {
    const one = await member('one');
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 16, maxLength: 300 }), async (noise) => {
        const { socket, closed } = await greet(one.port, helloOf());
        socket.end(noise);
        await closed;
      }),
      { numRuns: 200 },
    );
    expect(one.receiver.frames).toEqual([]);
  });
});

describe('answers that are none', () => {
  it.each([
    ['noise', Buffer.from('SSH-2.0-OpenSSH_9.2p1 Debian-2'), 'does not speak the protocol'],
    ['4 GiB', Buffer.concat([PREAMBLE, Buffer.from('ffffffff00000000', 'hex')]), 'too long'],
    ['a changed answer', Buffer.concat([welcome.subarray(0, -1), Buffer.from('!')]), 'checksum'],
    ['no answer', blockOf(PREAMBLE, encodeCanonical([7, []])), 'cannot be read'],
    [
      'the welcome of another node',
      encodeAnswer({ kind: 'welcome', nodeId: 'node-7', name: 'seven' }),
      'is node seven (node-7), not node-2',
    ],
  ])('%s: told to the node, and tried again', async (_, bytes, problem) => {
    const one = await member('one');
    const odd = await pretender((socket) => socket.write(bytes));
    one.transport.setPeers([{ nodeId: 'node-2', address: odd.address }]);
    await until(() => odd.sockets.length >= 4);
    expect(one.problems().join()).toContain(problem);
    expect(one.isConnected('node-2')).toBe(false);
  });

  it('frames on a connection that only we write to end it', async () => {
    const one = await member('one');
    const chatty = await pretender((socket) => {
      socket.write(welcome);
      socket.on('data', () => socket.write(Buffer.alloc(100, 1)));
    });
    one.transport.setPeers([{ nodeId: 'node-2', address: chatty.address }]);
    one.send('node-2', 'say something');
    await until(() => one.receiver.unreachable.length > 0);
    expect(one.problems()[0]).toBe('it sends what nobody asked for');
  });

  it('random ones do no harm, two hundred times', async () => {
    const one = await member('one');
    await fc.assert(
      fc.asyncProperty(strangeBytes(), async (bytes) => {
        const odd = await pretender((socket) => socket.end(bytes));
        const asked = one.transport.askToJoin(odd.address, {
          nodeId: 'node-1',
          name: 'one',
          peerAddress: one.address,
          httpAddress: one.address,
          clusterId: '',
        });
        expect((await asked).ok).toBe(false);
        odd.close();
      }),
      { numRuns: 200 },
    );
  });
});

describe('a connection that breaks at the worst moment', () => {
  it('is reset while a large frame is on its way', async () => {
    const one = await member('one');
    const rude = await pretender((socket) => {
      socket.write(welcome);
      socket.removeAllListeners('data').once('data', () => socket.resetAndDestroy());
    });
    one.transport.setPeers([{ nodeId: 'node-2', address: rude.address }]);
    one.transport.send('node-2', new Uint8Array(16 * 1024 * 1024), 'bulk');
    await until(() => one.transport.stats().peers[0]?.bulk.framesDropped === 1);
    expect(one.receiver.unreachable).toContain('node-2');
  });

  it('is reset right after the hello', async () => {
    const one = await member('one');
    const { socket } = await call(one.port);
    socket.write(encodeHello({ kind: 'peer', ...helloOf() }));
    await once(socket, 'data');
    socket.resetAndDestroy();
    await until(() => one.transport.stats().peers.length === 0);
    const { answer } = await greet(one.port, helloOf());
    expect(answer.kind).toBe('welcome');
  });
});
