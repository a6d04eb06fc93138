import { once } from 'node:events';
import tls from 'node:tls';
import { afterEach, describe, expect, it } from 'vitest';
import { namesIn, type TlsOptions } from '../../src/io/net/certificates.ts';
import { encodeHello } from '../../src/io/net/hello.ts';
import { EXPIRED, ONE, STRANGER, TWO } from './certificates.ts';
import { call, connectAll, endWorld, greet, helloOf, member, until, type Member } from './world.ts';

afterEach(endWorld);

/** What the log of a member says of a peer that it could not come to. */
async function problemOf(dialler: Member): Promise<string> {
  await until(() => dialler.problems().length > 0);
  return String(dialler.problems()[0]);
}

async function reasonOf(acceptor: Member): Promise<string> {
  await until(() => acceptor.logged('peer refused', 'reason').length > 0);
  return String(acceptor.logged('peer refused', 'reason')[0]);
}

describe('members with TLS', () => {
  it('exchange frames when a certificate names the one by name, the other by id', async () => {
    const one = await member('one', { tls: ONE });
    const two = await member('two', { tls: TWO });
    await connectAll(one, two);
    one.transport.send('node-2', new Uint8Array(8 * 1024 * 1024), 'bulk');
    two.send('node-1', 'sealed');
    await until(() => one.receiver.frames.length === 1 && two.receiver.frames.length === 1);
    expect(two.receiver.sizes).toEqual([8 * 1024 * 1024]);
  });

  it('find each other again after one was started anew', async () => {
    const one = await member('one', { tls: ONE });
    const two = await member('two', { tls: TWO });
    await connectAll(one, two);
    await two.transport.close();
    await until(() => one.receiver.unreachable.length > 0);
    const again = await member('two', { tls: TWO, port: two.port, incarnation: 2 });
    await until(() => one.isConnected('node-2'));
    one.send('node-2', 'sealed again');
    await until(() => again.receiver.frames.length === 1);
  });

  it('let a candidate ask to join, and each checks the other', async () => {
    const one = await member('one', { tls: ONE });
    const joiner = await member('two', { tls: TWO, clusterId: null });
    const candidate = {
      nodeId: 'node-2',
      name: 'two',
      peerAddress: joiner.address,
      httpAddress: '127.0.0.1:9093',
      clusterId: '',
    };
    const ask = (as: typeof candidate) => joiner.transport.askToJoin(one.address, as);
    expect(await ask(candidate)).toEqual({ ok: true, clusterId: 'cluster-1' });
    const impostor = await ask({ ...candidate, nodeId: 'node-3', name: 'three' });
    expect(impostor).toMatchObject({ ok: false, code: 'refused' });
    expect(one.receiver.candidates).toEqual([candidate]);
  });
});

describe('a certificate that is not good', () => {
  it('of another CA: both logs say so', async () => {
    const one = await member('one', { tls: ONE });
    const stranger = await member('two', { tls: STRANGER });
    one.transport.setPeers([stranger]);
    stranger.transport.setPeers([one]);
    expect(await problemOf(one)).toContain('both members need certificates of one CA');
    expect(await problemOf(stranger)).toContain('both members need certificates of one CA');
    expect(await reasonOf(one)).toContain('perhaps it does not trust the certificate of this node');
  });

  it('that has expired: the member is told by the other', async () => {
    const one = await member('one', { tls: ONE });
    const late = await member('two', { tls: EXPIRED });
    late.transport.setPeers([one]);
    expect(await problemOf(late)).toContain('is not good here (CERT_HAS_EXPIRED)');
    expect(await reasonOf(one)).toContain('the certificate of node two (node-2)');
    one.transport.setPeers([late]);
    expect(await problemOf(one)).toContain('TLS fails (CERT_HAS_EXPIRED)');
  });

  it('that names another node: the holder cannot pose as a third one', async () => {
    const one = await member('one', { tls: ONE });
    const socket = await secureCall(one, TWO);
    socket.write(encodeHello({ kind: 'peer', ...helloOf({ nodeId: 'node-3', name: 'three' }) }));
    const [answer] = (await once(socket, 'data')) as [Buffer];
    expect(answer.toString()).toContain('names URI:tocsin:node-2');
    expect(await reasonOf(one)).toContain('must hold DNS:three or URI:tocsin:node-3');
  });

  it('that is missing: refused, also when an earlier session is resumed', async () => {
    const one = await member('one', { tls: ONE });
    const first = await secureCall(one, { ca: ONE.ca });
    first.write(encodeHello({ kind: 'peer', ...helloOf() }));
    const [answer] = (await once(first, 'data')) as [Buffer];
    expect(answer.toString()).toContain('shows no certificate');

    const second = await secureCall(one, { ca: ONE.ca }, await sessionOf(first));
    expect(second.isSessionReused()).toBe(true);
    second.write(encodeHello({ kind: 'peer', ...helloOf() }));
    const [again] = (await once(second, 'data')) as [Buffer];
    expect(again.toString()).toContain('shows no certificate');
    expect(one.transport.stats().peers).toEqual([]);
  });

  it('of an older TLS: refused', async () => {
    const one = await member('one', { tls: ONE });
    const ca = Buffer.from(ONE.ca);
    const socket = tls.connect({ port: one.port, host: '127.0.0.1', ca, maxVersion: 'TLSv1.2' });
    await new Promise((resolve) => socket.once('error', resolve));
    expect(await reasonOf(one)).toBe('TLS fails: ERR_SSL_UNSUPPORTED_PROTOCOL');
  });

  it('that does not name the node itself: it does not even start', async () => {
    await expect(member('three', { tls: ONE })).rejects.toThrow(
      'the TLS files of the peer port cannot be used: the certificate of node three (node-3) names DNS:one: its subjectAltName must hold DNS:three or URI:tocsin:node-3',
    );
  });

  it('that does not belong to the key: it does not even start', async () => {
    const mixed = { ...ONE, key: TWO.key };
    await expect(member('one', { tls: mixed })).rejects.toThrow('cannot be used');
  });
});

describe('TLS on one side only', () => {
  it('a member without TLS dials one with: it reads why in a sentence', async () => {
    const one = await member('one', { tls: ONE });
    const plain = await member('two');
    plain.transport.setPeers([one]);
    expect(await problemOf(plain)).toContain('a connection without TLS came to a member with TLS');
    expect(await reasonOf(one)).toBe(await problemOf(plain));
  });

  it('a member with TLS dials one without: both logs say so', async () => {
    const plain = await member('two');
    const one = await member('one', { tls: ONE });
    one.transport.setPeers([plain]);
    expect(await problemOf(one)).toContain('TLS fails');
    expect(await reasonOf(plain)).toContain('a connection with TLS came to a member without TLS');
  });

  it('a plain hello to a port with TLS is not read', async () => {
    const one = await member('one', { tls: ONE });
    const { answer } = await greet(one.port, helloOf());
    expect(answer.kind).toBe('refused');
    expect(one.transport.stats().peers).toEqual([]);
  });
});

describe('strangers at a port with TLS', () => {
  it('look whether it is open, and go: that is no news', async () => {
    const one = await member('one', { tls: ONE });
    const { socket, closed } = await call(one.port);
    socket.end();
    await closed;
    expect(one.logger.lines).toEqual([]);
  });

  it('begin TLS and go on with noise: they are let go', async () => {
    const one = await member('one', { tls: ONE });
    const { socket, closed } = await call(one.port);
    socket.write(Buffer.concat([Buffer.from([0x16, 3, 1, 0, 4]), Buffer.alloc(64, 0xee)]));
    await closed;
    expect(await reasonOf(one)).toContain('TLS fails');
  });

  it('make a name that looks like several', () => {
    expect(namesIn('DNS:a, URI:tocsin:b')).toEqual(['DNS:a', 'URI:tocsin:b']);
    expect(namesIn('URI:"http://x, DNS:one, y", DNS:z')).toEqual([
      'URI:"http://x, DNS:one, y"',
      'DNS:z',
    ]);
    expect(namesIn(String.raw`URI:"a\", DNS:one, b"`)).toEqual([String.raw`URI:"a\", DNS:one, b"`]);
  });
});

/** A connection with TLS of somebody who may have no certificate, and may have been here before. */
async function secureCall(
  { port }: Member,
  tlsOptions: Pick<TlsOptions, 'ca'> & Partial<TlsOptions>,
  session?: Buffer,
): Promise<tls.TLSSocket> {
  const { certificate, key, ca } = tlsOptions;
  const socket = tls.connect({
    port,
    host: '127.0.0.1',
    ca: Buffer.from(ca),
    cert: certificate === undefined ? undefined : Buffer.from(certificate),
    key: key === undefined ? undefined : Buffer.from(key),
    session,
    checkServerIdentity: () => undefined,
  });
  socket.on('error', () => undefined);
  socket.on('session', (ticket: Buffer) => sessions.set(socket, ticket));
  await once(socket, 'secureConnect');
  return socket;
}

const sessions = new WeakMap<tls.TLSSocket, Buffer>();

/** What lets a caller resume its session on another connection. */
async function sessionOf(socket: tls.TLSSocket): Promise<Buffer> {
  await until(() => sessions.has(socket));
  return sessions.get(socket) ?? Buffer.alloc(0);
}
