/** IP networks as people write them: `10.0.0.7`, `10.0.0.0/8`, `fd00::/8`. */

import { isIP, isIPv4 } from 'node:net';

/** Null when a text is neither an IP address nor a network in CIDR notation. */
export function parseNetwork(
  text: string,
): { readonly address: string; readonly prefix: number } | null {
  const [, address = '', bits] = /^([^/%]+)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  if (isIP(address) === 0) return null;
  const bitsMax = isIPv4(address) ? 32 : 128;
  const prefix = bits === undefined ? bitsMax : Number(bits);
  return prefix > bitsMax ? null : { address, prefix };
}
