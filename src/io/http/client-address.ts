/**
 * Whose request it is: the address of the connection, or what a trusted proxy says in
 * `X-Forwarded-For`.
 *
 * Promise: the header counts only as far as each hop that added to it is trusted. Whoever is not
 * listed can write anything into it and remains at the address of its connection.
 */

import type { IncomingMessage } from 'node:http';
import { BlockList, isIP, isIPv4, isIPv6 } from 'node:net';

/** An IP network; an address alone is one with all bits. */
export interface Network {
  readonly address: string;
  /** Leading bits that all addresses of it share: 0 to 32 for IPv4, 0 to 128 for IPv6. */
  readonly prefix: number;
}

/** Addresses and networks whose `X-Forwarded-For` counts, and whose connections are not limited. */
export class TrustedProxies {
  readonly #list = new BlockList();

  constructor(proxies: readonly Network[]) {
    for (const { address, prefix } of proxies) {
      this.#list.addSubnet(address, prefix, familyOf(address));
    }
  }

  has(address: string): boolean {
    const bare = withoutMapping(address);
    return isIP(bare) !== 0 && this.#list.check(bare, familyOf(bare));
  }

  /** The address that sent the request; `unknown` once its connection is gone. */
  clientOf(incoming: Pick<IncomingMessage, 'headers' | 'socket'>): string {
    let client = withoutMapping(incoming.socket.remoteAddress ?? '');
    if (client === '') return 'unknown';
    // Each proxy appends whom it has met, so the last entry comes from the nearest one.
    const hops = [incoming.headers['x-forwarded-for'] ?? ''].flat().join(',').split(',');
    while (this.has(client)) {
      const before = addressIn(hops.pop()?.trim() ?? '');
      if (before === null) break;
      client = before;
    }
    return client;
  }
}

/**
 * What counts as one client: an IPv4 address, or the /64 of an IPv6 address, since whoever has one
 * address of it has all 2^64.
 */
export function networkOf(address: string): string {
  const bare = withoutMapping(address);
  if (!isIPv6(bare)) return bare;
  const [host = ''] = bare.split('%', 1);
  const [head = '', tail] = host.split('::');
  const first = head === '' ? [] : head.split(':');
  const last = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? 0 : 8 - first.length - last.length;
  const groups = [...first, ...Array.from({ length: zeros }, () => '0'), ...last];
  return groups
    .slice(0, 4)
    .map((group) => parseInt(group, 16).toString(16))
    .join(':');
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIPv4(address) ? 'ipv4' : 'ipv6';
}

/** An IPv4 client of an IPv6 socket has a prefix that is no part of its address. */
function withoutMapping(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.)/i, '');
}

/** The address of an entry, which some proxies write with a port; null when it holds none. */
function addressIn(entry: string): string | null {
  const [, bracketed, v4] = /^(?:\[([^\]]+)\](?::\d+)?|([\d.]+):\d+)$/.exec(entry) ?? [];
  const address = withoutMapping(bracketed ?? v4 ?? entry);
  return isIP(address) === 0 ? null : address;
}
