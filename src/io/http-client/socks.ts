/** The way through a SOCKS5 proxy (RFC 1928, with the passwords of RFC 1929). */

import type net from 'node:net';
import { HttpClientError } from './errors.ts';

const VERSION = 5;
const NO_PASSWORD = 0;
const PASSWORD = 2;
const CONNECT = 1;
const BY_NAME = 3;
/** Bytes of an address in an answer, by its type; a name says its own length. */
const ADDRESS_BYTES: Readonly<Record<number, number>> = { 1: 4, 4: 16 };

/** Asks for a connection to `host`, which the proxy looks up. */
export async function socksConnect(
  socket: net.Socket,
  host: string,
  port: number,
  credentials: readonly [user: string, password: string] | null,
): Promise<void> {
  const read = readerOf(socket);
  const method = credentials === null ? NO_PASSWORD : PASSWORD;
  socket.write(Buffer.from([VERSION, 1, method]));
  const [version, chosen] = await read(2);
  if (version !== VERSION || chosen !== method) {
    throw new HttpClientError('the proxy does not let this client in by SOCKS5');
  }
  if (credentials !== null) {
    socket.write(Buffer.concat([Buffer.from([1]), ...credentials.map(counted)]));
    const [, refused] = await read(2);
    if (refused !== 0) throw new HttpClientError('the proxy refuses its user or password');
  }
  socket.write(
    Buffer.concat([
      Buffer.from([VERSION, CONNECT, 0, BY_NAME]),
      counted(host),
      Buffer.from([port >> 8, port & 0xff]),
    ]),
  );
  const [, problem = 0, , type = 0] = await read(4);
  if (problem !== 0) throw new HttpClientError(`the proxy cannot connect (SOCKS5 ${problem})`);
  const length = type === BY_NAME ? ((await read(1))[0] ?? 0) : (ADDRESS_BYTES[type] ?? 0);
  await read(length + 2);
}

function counted(text: string): Buffer {
  const bytes = Buffer.from(text);
  if (bytes.length > 255) throw new HttpClientError('SOCKS5 takes at most 255 bytes of a name');
  return Buffer.concat([Buffer.from([bytes.length]), bytes]);
}

/** Reads exactly so many bytes and leaves what follows on the socket. */
function readerOf(socket: net.Socket): (length: number) => Promise<Buffer> {
  return (length) =>
    new Promise((resolve, reject) => {
      const take = (): void => {
        const bytes = socket.read(length) as Buffer | null;
        if (bytes === null) return;
        finish();
        resolve(bytes);
      };
      const onEnd = (): void => {
        finish();
        reject(new HttpClientError('the proxy closed the connection'));
      };
      const finish = (): void => {
        socket.off('readable', take).off('end', onEnd).off('error', reject);
      };
      socket.on('readable', take).on('end', onEnd).on('error', reject);
      take();
    });
}
