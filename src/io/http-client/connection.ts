/**
 * A connection for one request: TCP, through a proxy where there is one, and TLS where it is due.
 *
 * Promise: no byte of the request has left when this resolves or rejects; a connection that is not
 * there in time, or that nobody wants any more, leaves no socket behind.
 */

import net from 'node:net';
import tls from 'node:tls';
import type { Clock } from '../ports.ts';
import { HttpClientError, unlessAborted } from './errors.ts';
import { headText } from './head.ts';
import { proxyFor, type ProxySettings } from './proxy.ts';
import { ResponseReader } from './response-reader.ts';
import { socksConnect } from './socks.ts';

/** How to reach the host of a request. */
export interface Route {
  /** For the host, not for a proxy before it. */
  readonly tls: tls.ConnectionOptions;
  readonly proxy: ProxySettings | null;
  /** For names, TCP, the proxy and TLS together. */
  readonly connectMsMax: number;
}

export interface Connection {
  readonly socket: net.Socket;
  /** What names the host in the request line: empty, or its origin where a proxy needs it. */
  readonly targetPrefix: string;
  /** For the proxy, on the way to a host that is asked without a tunnel. */
  readonly proxyHeaders: Readonly<Record<string, string | readonly string[]>>;
}

/**
 * Long enough for two TCP packets to be lost, which are sent again after one and three seconds. A
 * host that does not answer must not take the time of one that thinks for long.
 */
export const CONNECT_MS_MAX = 4_000;

/** Of several addresses of a host each gets so long before the next one is tried. */
const ADDRESS_MS_MAX = 1_000;

/** Connects. Rejects with an error that `problemOf` can name. */
export async function connect(
  url: URL,
  route: Route,
  { clock }: { readonly clock: Clock },
  signal: AbortSignal,
): Promise<Connection> {
  const late = new AbortController();
  const cancel = clock.after(route.connectMsMax, () =>
    late.abort(new HttpClientError(`no connection within ${route.connectMsMax} ms`)),
  );
  const sockets: net.Socket[] = [];
  const ends = AbortSignal.any([signal, late.signal]);
  let isOpen = false;
  try {
    const opening = open(url, route, (socket) => {
      // It has other listeners while somebody waits; an error that comes later must not end the process.
      sockets.push(socket.on('error', () => undefined));
    });
    const connection = await unlessAborted(opening, ends);
    isOpen = true;
    return connection;
  } finally {
    cancel();
    if (!isOpen) for (const socket of sockets) socket.destroy();
  }
}

async function open(
  url: URL,
  route: Route,
  keep: (socket: net.Socket) => void,
): Promise<Connection> {
  const proxy = proxyFor(url, route.proxy);
  const first = proxy ?? url;
  let socket = await tcp(hostOf(first), portOf(first), keep);
  if (first.protocol === 'https:') {
    socket = await secured(socket, hostOf(first), proxy === null ? route.tls : {}, keep);
  }
  if (proxy === null) return { socket, targetPrefix: '', proxyHeaders: {} };
  const isSocks = /^socks5h?:$/.test(proxy.protocol);
  const proxyHeaders = { ...proxyAuthorization(proxy), ...route.proxy?.headers };
  if (!isSocks && url.protocol === 'http:') {
    // Plain HTTP goes to a proxy as such, as Go does it; many proxies tunnel to port 443 only.
    return { socket, targetPrefix: url.origin, proxyHeaders };
  }
  if (isSocks) await socksConnect(socket, hostOf(url), portOf(url), credentialsOf(proxy));
  else await tunnel(socket, `${url.hostname}:${portOf(url)}`, proxyHeaders);
  if (url.protocol === 'https:') socket = await secured(socket, hostOf(url), route.tls, keep);
  return { socket, targetPrefix: '', proxyHeaders: {} };
}

function tcp(host: string, port: number, keep: (socket: net.Socket) => void): Promise<net.Socket> {
  return new Promise((resolve, reject) => {
    const socket = net.connect({
      host,
      port,
      noDelay: true,
      // A receiver may end its side before it has read all; what it has said is read all the same.
      allowHalfOpen: true,
      autoSelectFamilyAttemptTimeout: ADDRESS_MS_MAX,
    });
    keep(socket);
    socket.once('error', (error) => reject(firstOf(error)));
    socket.once('connect', () => resolve(socket));
  });
}

function secured(
  socket: net.Socket,
  host: string,
  options: tls.ConnectionOptions,
  keep: (socket: net.Socket) => void,
): Promise<net.Socket> {
  return new Promise((resolve, reject) => {
    const secure = tls.connect({
      ...(net.isIP(host) === 0 ? { servername: host } : {}),
      ALPNProtocols: ['http/1.1'],
      ...options,
      host,
      socket,
    });
    keep(secure);
    secure.once('error', reject);
    secure.once('close', () => reject(new HttpClientError('closed before TLS was agreed on')));
    secure.once('secureConnect', () => resolve(secure));
  });
}

/** Asks an HTTP proxy for a way to `authority` (RFC 9110, 9.3.6). */
function tunnel(
  socket: net.Socket,
  authority: string,
  headers: Connection['proxyHeaders'],
): Promise<void> {
  return new Promise((resolve, reject) => {
    const reader = new ResponseReader({ hasBody: false, bodyBytesMax: 0 });
    const done = (error?: Error): void => {
      socket.off('data', onData).off('end', onEnd).off('error', reject);
      socket.pause();
      if (error === undefined) resolve();
      else reject(error);
    };
    const judge = (): void => {
      const status = reader.response?.status ?? 0;
      const isOpen = status >= 200 && status < 300;
      const words = status === 0 ? 'did not answer with HTTP' : `answered ${status}`;
      done(isOpen ? undefined : new HttpClientError(`the proxy ${words}`));
    };
    const onEnd = (): void => {
      reader.end();
      judge();
    };
    const onData = (bytes: Buffer): void => {
      reader.push(bytes);
      if (reader.isDone) judge();
    };
    socket.on('data', onData).on('end', onEnd).on('error', reject);
    socket.write(headText(`CONNECT ${authority} HTTP/1.1`, { host: authority, ...headers }));
  });
}

/** Of an address that was tried in several families, the error of the first. */
function firstOf(error: Error): Error {
  const [first] = error instanceof AggregateError ? (error.errors as readonly unknown[]) : [];
  return first instanceof Error ? first : error;
}

function proxyAuthorization(proxy: URL): Readonly<Record<string, string>> {
  const pair = credentialsOf(proxy);
  return pair === null ? {} : { 'proxy-authorization': basicAuthorization(...pair) };
}

/** The user and password of a URL, decoded; null when it has none. */
export function credentialsOf({ username, password }: URL): readonly [string, string] | null {
  if (username === '' && password === '') return null;
  return [decodeURIComponent(username), decodeURIComponent(password)];
}

export function basicAuthorization(user: string, password: string): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
}

function hostOf({ hostname }: URL): string {
  return hostname.replace(/^\[(.*)\]$/, '$1');
}

const PORTS: Readonly<Record<string, number>> = {
  'http:': 80,
  'https:': 443,
  'socks5:': 1080,
  'socks5h:': 1080,
};

function portOf({ port, protocol }: URL): number {
  const fixed = PORTS[protocol];
  if (fixed === undefined) throw new HttpClientError('the proxy URL is not http, https or socks5');
  return port === '' ? fixed : Number(port);
}
