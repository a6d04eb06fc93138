/** Clients that speak HTTP/1.1 by hand, so that they can do what no good client does. */

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

export interface RawFrom {
  /** Where the client connects from, such as `127.0.0.2`. */
  readonly localAddress?: string;
}

const clients = new Set<RawClient>();

/** Destroys all clients. Goes before the server closes, which waits for requests under way. */
export function destroyClients(): void {
  for (const { socket } of clients) socket.destroy();
  clients.clear();
}

/** A client on one connection; it keeps what it has read, unless it is paused. */
export class RawClient {
  readonly socket: Socket;
  text = '';
  isClosed = false;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.setEncoding('latin1').on('data', (chunk: string) => (this.text += chunk));
    // A server that closes a connection may reset it; both are the end of it.
    socket.on('error', () => undefined);
    socket.on('close', () => (this.isClosed = true));
    clients.add(this);
  }

  /** Connects to `host:port`. */
  static async open(address: string, { localAddress }: RawFrom = {}): Promise<RawClient> {
    const at = address.lastIndexOf(':');
    const where = { host: address.slice(0, at), port: Number(address.slice(at + 1)) };
    const socket = connect(localAddress === undefined ? where : { ...where, localAddress });
    const client = new RawClient(socket);
    await Promise.race([once(socket, 'connect'), once(socket, 'close')]);
    return client;
  }

  /** Sends a request; `body` makes it a POST of which `length` bytes are promised. */
  send(
    path: string,
    body: { readonly text: string; readonly length?: number } | null = null,
  ): this {
    const method = body === null ? 'GET' : 'POST';
    const length = body === null ? '' : `Content-Length: ${body.length ?? body.text.length}\r\n`;
    this.socket.write(
      `${method} ${path} HTTP/1.1\r\nHost: localhost\r\n${length}\r\n${body?.text ?? ''}`,
    );
    return this;
  }

  /** Sends bytes as they are. */
  write(text: string): this {
    this.socket.write(text);
    return this;
  }

  /** The statuses of all responses so far. */
  get statuses(): number[] {
    return [...this.text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status));
  }
}
