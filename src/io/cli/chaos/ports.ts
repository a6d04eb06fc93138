/**
 * Free ports that stay free: below the range from which the system takes the ports of outgoing
 * connections, so that none of those sits on the port of a member while the member is dead.
 */

import { once } from 'node:events';
import { createServer } from 'node:net';
import type { Random } from '../../ports.ts';

const FIRST_PORT = 10_000;
const LAST_PORT = 30_000;
const TRIES_MAX = 1_000;

/** So many ports on which every one of `hosts` can be listened on. */
export async function freePorts(
  count: number,
  hosts: readonly string[],
  random: Random,
): Promise<readonly number[]> {
  const ports = new Set<number>();
  for (let tries = 0; ports.size < count; tries++) {
    if (tries === TRIES_MAX) throw new Error('there are no free ports on 127.0.0.1');
    const port = FIRST_PORT + Math.floor(random.next() * (LAST_PORT - FIRST_PORT));
    const free = await Promise.all(hosts.map((host) => canListen(host, port)));
    if (free.every(Boolean)) ports.add(port);
  }
  return [...ports];
}

/** Whether an address can be listened on; port 0 asks whether the host is one of this machine. */
export async function canListen(host: string, port: number): Promise<boolean> {
  const server = createServer();
  try {
    server.listen(port, host);
    await once(server, 'listening');
    return true;
  } catch {
    return false;
  } finally {
    server.close();
  }
}
