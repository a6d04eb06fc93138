/** Servers that answer in bytes, and the means to ask them. */

import net, { type AddressInfo, type Socket } from 'node:net';
import { CONNECT_MS_MAX, type Route } from '../../src/io/http-client/connection.ts';
import {
  exchange,
  type Exchanged,
  type ExchangeOptions,
  type HttpRequest,
} from '../../src/io/http-client/exchange.ts';
import type { Clock } from '../../src/io/ports.ts';

export const clock: Clock = {
  now: () => Date.now(),
  monotonicMs: () => performance.now(),
  after: (delayMs, task) => {
    const timer = setTimeout(task, delayMs);
    return () => clearTimeout(timer);
  },
};

export const ROUTE: Route = { tls: {}, proxy: null, connectMsMax: CONNECT_MS_MAX };

export interface RawServer {
  readonly port: number;
  readonly url: URL;
  /** What came on each connection, so far. */
  readonly heard: string[];
  close(): void;
}

/** Calls `answer` once a request with the body `{}` is there, or at once when `early`. */
export async function rawServer(
  answer: (socket: Socket) => void,
  { early = false }: { readonly early?: boolean } = {},
): Promise<RawServer> {
  const sockets = new Set<Socket>();
  const heard: string[] = [];
  const server = net.createServer((socket) => {
    const place = heard.push('') - 1;
    sockets.add(socket.on('error', () => undefined));
    if (early) answer(socket);
    let answered = early;
    socket.on('data', (bytes) => {
      heard[place] += bytes.toString('latin1');
      if (answered || !heard[place]?.endsWith('\r\n\r\n{}')) return;
      answered = true;
      answer(socket);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const close = (): void => {
    server.close();
    for (const socket of sockets) socket.destroy();
  };
  return { port, url: new URL(`http://127.0.0.1:${port}/`), heard, close };
}

export function ask(
  url: URL,
  options: Partial<ExchangeOptions> = {},
  request: Partial<HttpRequest> = {},
  signal: AbortSignal = new AbortController().signal,
): Promise<Exchanged> {
  return exchange(
    { url, method: 'POST', headers: {}, body: Buffer.from('{}'), ...request },
    { route: ROUTE, bodyBytesMax: 1_000, restMsMax: Infinity, ...options },
    { clock },
    signal,
  );
}
