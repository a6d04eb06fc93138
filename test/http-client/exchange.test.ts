/** What can be said of a request: whether it left, and whether a status came. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import net, { type AddressInfo, type Socket } from 'node:net';
import tls from 'node:tls';
import { afterEach, describe, expect, it } from 'vitest';
import type { Confirmation } from '../../src/io/ports.ts';
import { CERTIFICATE, KEY } from '../notify/certificate.ts';
import { ask, rawServer, ROUTE, type RawServer } from './servers.ts';

const closers: (() => unknown)[] = [];

afterEach(() => {
  for (const close of closers.splice(0)) close();
});

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const RESETS_AFTER_413 = `
  const server = require('node:net').createServer((socket) => {
    socket.on('error', () => undefined).once('data', () => {
      socket.pause();
      const answer = 'HTTP/1.1 413 Too Large\\r\\nContent-Length: 0\\r\\n\\r\\n';
      socket.write(answer, () => socket.resetAndDestroy());
    });
  });
  server.listen(0, '127.0.0.1', () => console.log(server.address().port));
`;
const DELIVERED = { kind: 'response', response: { status: 200 } };
const LARGE = Buffer.concat([Buffer.alloc(20_000_000, ' '), Buffer.from('{}')]);

async function server(
  answer: (socket: Socket) => void,
  options?: { readonly early?: boolean },
): Promise<RawServer> {
  const raw = await rawServer(answer, options);
  closers.push(() => raw.close());
  return raw;
}

async function portOf(listener: net.Server): Promise<number> {
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  closers.push(() => listener.close());
  return (listener.address() as AddressInfo).port;
}

async function urlOf(listener: net.Server, scheme = 'http'): Promise<URL> {
  return new URL(`${scheme}://127.0.0.1:${await portOf(listener)}/`);
}

describe('an answer', () => {
  it('that is there before the request, as of netcat, counts', async () => {
    const { url } = await server((socket) => socket.write('HTTP/1.1 200 OK\n\n'), { early: true });
    expect(await ask(url, { restMsMax: 20 })).toMatchObject(DELIVERED);
  });

  it('that is there before the request, from one who closes at once, counts', async () => {
    const { url } = await server((socket) => socket.end('HTTP/1.1 200 OK\n\n'), { early: true });
    expect(await ask(url)).toMatchObject(DELIVERED);
  });

  it('that comes before the body was read counts, though the connection is reset then', async () => {
    // A process of its own, as in the field: here its reset would come between two turns of ours.
    const refusing = spawn(process.execPath, ['-e', RESETS_AFTER_413]);
    closers.push(() => refusing.kill());
    const [port] = (await once(refusing.stdout, 'data')) as [Buffer];
    const url = new URL(`http://127.0.0.1:${port.toString().trim()}/`);
    const exchanged = await ask(url, {}, { body: Buffer.alloc(60_000) });
    expect(exchanged).toMatchObject({ kind: 'response', response: { status: 413 } });
  });

  it('that comes before the body was read ends the request', async () => {
    const { url } = await server((socket) => socket.write('HTTP/1.1 503 Busy\r\n\r\n'), {
      early: true,
    });
    const exchanged = await ask(url, { restMsMax: 20 }, { body: LARGE });
    expect(exchanged).toMatchObject({ kind: 'response', response: { status: 503 } });
  });

  it('whose connection is reset after the status counts', async () => {
    const { url } = await server((socket) =>
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf', () =>
        socket.resetAndDestroy(),
      ),
    );
    const exchanged = await ask(url);
    expect(exchanged).toMatchObject({
      kind: 'response',
      response: { status: 200, isWhole: false },
    });
  });

  it.each([
    ['in its body', 'HTTP/1.1 200 OK\n\nmore'],
    ['in its fields', 'HTTP/1.1 200 OK\r\nX-A: '],
    ['in its status line', 'HTTP/1.1 200 O'],
  ])('that never ends is not waited for %s', async (_place, bytes) => {
    const { url } = await server((socket) => socket.write(bytes));
    expect(await ask(url, { restMsMax: 20 })).toMatchObject(DELIVERED);
  });

  it('that was read when nobody wants to wait any longer counts', async () => {
    const { url } = await server((socket) => socket.write('HTTP/1.1 200 OK\n\nmore'));
    const ends = AbortSignal.timeout(100);
    expect(await ask(url, {}, {}, ends)).toMatchObject(DELIVERED);
  });

  it('to HEAD has no body, whatever its length says', async () => {
    const { url } = await server(
      (socket) => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n'),
      {
        early: true,
      },
    );
    const exchanged = await ask(url, {}, { method: 'HEAD', body: null });
    expect(exchanged).toMatchObject({ kind: 'response', response: { status: 200, isWhole: true } });
  });
});

describe('a request', () => {
  it('is one connection, which says that it closes', async () => {
    const { url, heard } = await server((socket) => socket.end(OK));
    url.pathname = '/hook';
    url.search = '?a=b';
    await ask(url, {}, { headers: { 'X-Key': ['one', 'two'], connection: 'keep-alive' } });
    expect(heard).toEqual([
      `POST /hook?a=b HTTP/1.1\r\nhost: ${url.host}\r\nX-Key: one\r\nX-Key: two\r\n` +
        'connection: close\r\ncontent-length: 2\r\n\r\n{}',
    ]);
  });

  it.each([
    ['a line break in a value', { 'X-A': 'a\r\nX-B: b' }],
    ['a blank in a name', { 'X A': 'a' }],
  ])('with %s is not sent', async (_title, headers) => {
    const { url, heard } = await server((socket) => socket.end(OK));
    expect(await ask(url, {}, { headers })).toMatchObject({ kind: 'not-sent' });
    expect(heard.join('')).toBe('');
  });

  it('that is given up while it is answered may have been taken', async () => {
    const ends = new AbortController();
    const { url } = await server(() => ends.abort(new Error('no')));
    expect(await ask(url, {}, {}, ends.signal)).toEqual({ kind: 'no-response', problem: 'Error' });
  });

  it('that is given up before it connects was not sent', async () => {
    const { url } = await server((socket) => socket.end(OK));
    expect(await ask(url, {}, {}, AbortSignal.abort())).toMatchObject({ kind: 'not-sent' });
  });
});

describe('a connection', () => {
  it('has a limit of its own, which ends before the patience with an answer', async () => {
    // It accepts TCP and never begins with TLS.
    const mute = net.createServer((socket) => closers.push(() => socket.destroy()));
    const url = await urlOf(mute, 'https');
    const exchanged = await ask(url, { route: { ...ROUTE, connectMsMax: 50 } });
    expect(exchanged).toEqual({
      kind: 'not-sent',
      connected: false,
      problem: 'no connection within 50 ms',
    });
  });

  it('that is slow to answer is no slow connection', async () => {
    const { url } = await server((socket) => setTimeout(() => socket.end(OK), 100));
    const exchanged = await ask(url, { route: { ...ROUTE, connectMsMax: 50 } });
    expect(exchanged).toMatchObject(DELIVERED);
  });
});

describe('freshness', () => {
  const fresh = async (): Promise<Confirmation> => ({ isFresh: () => true });
  const stale = async (): Promise<Confirmation> => ({ isFresh: () => false });

  it('is asked for once the connection is there', async () => {
    const accepted: string[] = [];
    const listener = net.createServer((socket) => {
      accepted.push('connected');
      socket.on('data', () => socket.end(OK));
    });
    const confirm = async (): Promise<Confirmation> => {
      await expect.poll(() => accepted).toEqual(['connected']);
      return fresh();
    };
    expect(await ask(await urlOf(listener), { confirm })).toMatchObject(DELIVERED);
  });

  it('is asked for after TLS is agreed on', async () => {
    const agreed: string[] = [];
    const listener = tls.createServer({ cert: CERTIFICATE, key: KEY }, (socket) => {
      agreed.push('TLS');
      socket.on('data', () => socket.end(OK)).on('error', () => undefined);
    });
    const confirm = async (): Promise<Confirmation> => {
      await expect.poll(() => agreed).toEqual(['TLS']);
      return fresh();
    };
    const route = { ...ROUTE, tls: { rejectUnauthorized: false } };
    const url = await urlOf(listener, 'https');
    expect(await ask(url, { confirm, route })).toMatchObject(DELIVERED);
  });

  it('that is gone when the first byte is due means that nothing is sent', async () => {
    const { url, heard } = await server((socket) => socket.end(OK));
    expect(await ask(url, { confirm: stale })).toEqual({
      kind: 'not-sent',
      connected: true,
      problem: 'leadership was not confirmed shortly before it was to be sent',
    });
    expect(heard.join('')).toBe('');
  });

  it('that nobody can confirm in time means that nothing is sent', async () => {
    const { url, heard } = await server((socket) => socket.end(OK));
    const confirm = (): Promise<Confirmation> => new Promise(() => undefined);
    const exchanged = await ask(url, { confirm }, {}, AbortSignal.timeout(50));
    expect(exchanged).toMatchObject({ kind: 'not-sent' });
    expect(heard.join('')).toBe('');
  });

  it('that is lost in the middle of a long request leaves it incomplete', async () => {
    let isFresh = true;
    let asked = 0;
    const confirm = async (): Promise<Confirmation> => {
      asked++;
      return { isFresh: () => isFresh };
    };
    let heard = 0;
    const slow = net.createServer((socket) => {
      socket
        .on('error', () => undefined)
        .on('data', (bytes) => {
          heard += bytes.length;
          isFresh = false;
        });
    });
    const exchanged = await ask(await urlOf(slow), { confirm }, { body: LARGE });
    expect(exchanged).toMatchObject({ kind: 'no-response' });
    expect(asked).toBe(2);
    expect(heard).toBeLessThan(LARGE.length);
  });

  it('that ran out in the middle of a long request is asked for again', async () => {
    let asked = 0;
    const confirm = async (): Promise<Confirmation> => {
      const number = ++asked;
      let looked = 0;
      // The first one holds for one look.
      return { isFresh: () => number > 1 || ++looked === 1 };
    };
    let heard = 0;
    const counting = net.createServer((socket) => {
      socket.on('data', (bytes) => {
        heard += bytes.length;
        if (bytes.at(-1) === '}'.charCodeAt(0)) socket.end(OK);
      });
    });
    const exchanged = await ask(await urlOf(counting), { confirm }, { body: LARGE });
    expect(exchanged).toMatchObject(DELIVERED);
    expect(heard).toBeGreaterThan(LARGE.length);
    expect(asked).toBe(2);
  });
});

describe('TLS', () => {
  it('that is cut off without its farewell leaves the answer as it is', async () => {
    const raw = net.createServer((plain) => {
      const secure = new tls.TLSSocket(plain, {
        isServer: true,
        secureContext: tls.createSecureContext({ cert: CERTIFICATE, key: KEY }),
      });
      secure.on('error', () => undefined);
      // The TCP connection ends; no close_notify is sent.
      secure.on('data', () => secure.write('HTTP/1.1 200 OK\r\n\r\nhalf', () => plain.destroy()));
    });
    const route = { ...ROUTE, tls: { rejectUnauthorized: false } };
    expect(await ask(await urlOf(raw, 'https'), { route })).toMatchObject(DELIVERED);
  });
});

describe('a proxy', () => {
  const secureTarget = async (): Promise<number> => {
    const listener = tls.createServer({ cert: CERTIFICATE, key: KEY }, (socket) =>
      socket.on('error', () => undefined).on('data', () => socket.end(OK)),
    );
    return portOf(listener);
  };

  it.each([
    ['as usual', 'HTTP/1.1 200 Connection established\r\n\r\n'],
    ['with lines that end in LF alone', 'HTTP/1.0 200 OK\n\n'],
  ])('opens a tunnel to a host with TLS, and answers %s', async (_title, answer) => {
    const target = await secureTarget();
    const proxy = net.createServer((socket) => {
      socket
        .on('error', () => undefined)
        .once('data', (bytes) => {
          const [line, , authorization] = bytes.toString('latin1').split('\r\n');
          expect(line).toBe(`CONNECT 127.0.0.1:${target} HTTP/1.1`);
          expect(authorization).toBe(
            `proxy-authorization: Basic ${Buffer.from('me:pass').toString('base64')}`,
          );
          const through = net.connect(target, '127.0.0.1', () => {
            socket.write(answer);
            through.pipe(socket).pipe(through);
          });
          through.on('error', () => socket.destroy());
        });
    });
    const settings = {
      url: `http://me:pass@127.0.0.1:${await portOf(proxy)}`,
      noProxy: '',
      headers: {},
    };
    const route = { ...ROUTE, tls: { rejectUnauthorized: false }, proxy: settings };
    expect(await ask(new URL(`https://127.0.0.1:${target}/`), { route })).toMatchObject(DELIVERED);
  });

  it('that answers with words is no way', async () => {
    const { port } = await server((socket) => socket.end('hello\n'), { early: true });
    const proxy = { url: `http://127.0.0.1:${port}`, noProxy: '', headers: {} };
    const exchanged = await ask(new URL('https://hook.example.com/'), {
      route: { ...ROUTE, proxy },
    });
    expect(exchanged).toEqual({
      kind: 'not-sent',
      connected: false,
      problem: 'the proxy did not answer with HTTP',
    });
  });

  it('is not asked for hosts that are excepted', async () => {
    const { port, url, heard } = await server((socket) => socket.end(OK));
    for (const noProxy of ['*', '127.0.0.1', `a, 127.0.0.1:${port}`]) {
      const proxy = { url: 'http://127.0.0.1:9', noProxy, headers: {} };
      expect(await ask(url, { route: { ...ROUTE, proxy } })).toMatchObject(DELIVERED);
    }
    expect(heard).toHaveLength(3);
  });

  it.each([
    ['without a password', '', [5, 1, 0], [5, 0], ''],
    ['with a password', 'me:pass@', [5, 1, 2], [5, 2], '\x01\x02me\x04pass'],
  ])('by SOCKS5 %s connects by name', async (_title, user, greeting, method, login) => {
    const { port: target } = await server((socket) => socket.end(OK));
    const speak = async (socket: Socket): Promise<void> => {
      socket.on('error', () => undefined);
      const next = async (): Promise<string> => String((await once(socket, 'data'))[0]);
      expect(await next()).toBe(Buffer.from(greeting).toString());
      socket.write(Buffer.from(method));
      if (login !== '') {
        expect(await next()).toBe(login);
        socket.write(Buffer.from([1, 0]));
      }
      expect(await next()).toContain('127.0.0.1');
      const through = net.connect(target, '127.0.0.1', () => {
        socket.write(Buffer.from([5, 0, 0, 1, 127, 0, 0, 1, 0, 80]));
        through.pipe(socket).pipe(through);
      });
      through.on('error', () => socket.destroy());
    };
    const proxy = net.createServer((socket) => void speak(socket));
    const settings = {
      url: `socks5://${user}127.0.0.1:${await portOf(proxy)}`,
      noProxy: '',
      headers: {},
    };
    const url = new URL(`http://127.0.0.1:${target}/`);
    expect(await ask(url, { route: { ...ROUTE, proxy: settings } })).toMatchObject(DELIVERED);
  });

  it('of a kind that is not known is not taken', async () => {
    const proxy = { url: 'gopher://127.0.0.1', noProxy: '', headers: {} };
    const { url } = await server((socket) => socket.end(OK));
    const exchanged = await ask(url, { route: { ...ROUTE, proxy } });
    expect(exchanged).toEqual({
      kind: 'not-sent',
      connected: false,
      problem: 'the proxy URL is not http, https or socks5',
    });
  });
});
