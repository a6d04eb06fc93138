/**
 * Holds the peer port of a node that has no peers: the address is taken, so that nothing else gets
 * it before the cluster grows, and whoever connects is told by a closed connection and a log line.
 */

import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import type { Logger } from '../ports.ts';

export interface PeerPort {
  /** `HOST:PORT` as it really listens. */
  readonly address: string;
  close(): Promise<void>;
}

/** Rejects when the address cannot be listened on. */
export async function holdPeerPort(
  { host, port }: { readonly host: string; readonly port: number },
  logger: Logger,
): Promise<PeerPort> {
  const server = createServer((socket) => {
    logger.warn('peer refused: this node is a cluster of one', { from: socket.remoteAddress });
    socket.destroy();
  });
  server.listen(port, host);
  await once(server, 'listening');
  const address = server.address() as AddressInfo;
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve());
    });
  return { address: hostPort(address.address, address.port), close };
}

/** `HOST:PORT`, with brackets around an IPv6 address. */
function hostPort(host: string, port: number): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}
