/** A response whose status can be read is a response. */

import { execFile, spawnSync } from 'node:child_process';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { ResponseReader } from '../../src/io/http-client/response-reader.ts';
import { STRANGE, type Strange } from './responses.ts';
import { ask, rawServer, type RawServer } from './servers.ts';

const servers: RawServer[] = [];

afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

async function answering(bytes: string): Promise<RawServer> {
  const server = await rawServer((socket) => socket.end(Buffer.from(bytes, 'latin1')));
  servers.push(server);
  return server;
}

describe('a receiver that answers', () => {
  it.each(STRANGE)('$title', async ({ bytes, status, body }) => {
    const { url } = await answering(bytes);
    const exchanged = await ask(url);
    if (status === null) {
      expect(exchanged.kind).not.toBe('response');
      return;
    }
    expect(exchanged).toMatchObject({ kind: 'response', response: { status } });
    if (exchanged.kind !== 'response') return;
    expect(exchanged.response.body.toString()).toBe(body ?? '');
  });

  it.each([
    ['words', 'ok\n', 'unreadable'],
    ['a status of two digits', 'HTTP/1.1 20 OK\r\n\r\n', 'unreadable'],
    ['nothing', '', 'no-response'],
    ['a status line that breaks off', 'HTTP/1.1 20', 'no-response'],
    ['1xx, and then nothing', 'HTTP/1.1 100 Continue\r\n\r\n', 'no-response'],
  ])('%s is told from one that breaks off', async (_title, bytes, kind) => {
    const { url } = await answering(bytes);
    expect(await ask(url)).toMatchObject({ kind });
  });
});

const hasCurl = spawnSync('curl', ['--version']).status === 0;

describe.skipIf(!hasCurl)('curl, if there is one, reads the same status', () => {
  it.each(STRANGE.filter(({ notAsCurl }) => notAsCurl === undefined))(
    '$title',
    async ({ bytes, status }: Strange) => {
      const { url } = await answering(bytes);
      expect(await curlStatus(url)).toBe(status ?? 0);
    },
  );
});

function curlStatus(url: URL): Promise<number> {
  const options = ['-s', '-o', '/dev/null', '-m', '5', '--noproxy', '*', '-w', '%{http_code}'];
  return new Promise((resolve) => {
    // It fails where the body is damaged, and has read the status all the same.
    execFile('curl', [...options, '-d', '{}', url.href], (_error, out) => resolve(Number(out)));
  });
}

describe('the reader', () => {
  it('reads the same however the bytes are cut', () => {
    const strange = fc.constantFrom(...STRANGE);
    const cuts = fc.array(fc.nat(400), { maxLength: 6 });
    fc.assert(
      fc.property(strange, cuts, ({ bytes, status, body }, at) => {
        const read = readInPieces(Buffer.from(bytes, 'latin1'), at);
        expect(read.response?.status ?? null).toBe(status);
        if (status !== null) expect(read.response?.body.toString()).toBe(body ?? '');
      }),
    );
  });

  it('ends on any bytes, holds no more than its limits, and never throws', () => {
    const piece = fc.oneof(
      fc.constantFrom(...STRANGE.map(({ bytes }) => bytes.slice(0, 200))),
      fc.string({ unit: 'binary' }),
      fc.constantFrom('\r\n', '\n', ':', 'HTTP/1.1 ', '200', 'ffffffffffff\r\n'),
    );
    fc.assert(
      fc.property(fc.array(piece), fc.array(fc.nat(400), { maxLength: 4 }), (pieces, at) => {
        const { isDone, response } = readInPieces(Buffer.from(pieces.join(''), 'latin1'), at);
        expect(isDone).toBe(true);
        expect(response?.status ?? 200).toSatisfy((status) => status === 101 || status >= 200);
      }),
    );
  });

  it.each([
    ['a status line', 'HTTP/1.1 2', false],
    ['a field', 'HTTP/1.1 200 OK\r\nX-A: ', true],
    ['a chunk size', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n', true],
  ])('gives up on %s that never ends, and keeps the status', (_title, head, hasStatus) => {
    const reader = new ResponseReader({ hasBody: true, bodyBytesMax: 1_000 });
    reader.push(Buffer.from(head));
    let sent = 0;
    for (; !reader.isDone && sent < 10_000_000; sent += 10_000)
      reader.push(Buffer.alloc(10_000, 'a'));
    expect(sent).toBeLessThan(1_000_000);
    expect(reader.response?.status).toBe(hasStatus ? 200 : undefined);
  });

  it('reads no more of a body than is wanted', () => {
    const reader = new ResponseReader({ hasBody: true, bodyBytesMax: 1_000 });
    reader.push(Buffer.from('HTTP/1.1 200 OK\r\n\r\n'));
    let sent = 0;
    for (; !reader.isDone; sent += 100) reader.push(Buffer.alloc(100, 'a'));
    expect(sent).toBe(1_100);
    expect(reader.response).toMatchObject({ status: 200, isWhole: false });
  });
});

function readInPieces(bytes: Buffer, cuts: readonly number[]): ResponseReader {
  const reader = new ResponseReader({ hasBody: true, bodyBytesMax: 1_000 });
  const places = [
    0,
    ...cuts.filter((cut) => cut < bytes.length).sort((a, b) => a - b),
    bytes.length,
  ];
  for (const [i, from] of places.slice(0, -1).entries())
    reader.push(bytes.subarray(from, places[i + 1]));
  reader.end();
  return reader;
}
