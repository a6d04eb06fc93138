/** Addresses as people write them, `HOST:PORT`, and what is left of them at the other end. */

import { isIPv4, isIPv6, type AddressInfo } from 'node:net';

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** Null for what is no address. An IPv6 host stands in brackets. */
export function parseAddress(text: string): HostPort | null {
  const [, bracketed, plain, digits] = /^(?:\[(.+)\]|([\w.-]+)):(\d{1,5})$/.exec(text) ?? [];
  if (bracketed !== undefined && !isIPv6(bracketed)) return null;
  const host = bracketed ?? plain;
  const port = Number(digits);
  return host === undefined || port < 1 || port > 65_535 ? null : { host, port };
}

export function addressText({ host, port }: HostPort): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

export function boundAddress({ address, port }: AddressInfo): string {
  return addressText({ host: address, port });
}

/**
 * Where to reach somebody who says that it listens at `stated` and whom we know to be at
 * `remoteHost`. Who listens on all its addresses cannot say which of them leads there; the one it
 * came from does.
 */
export function reachableAt(stated: string, remoteHost: string): string {
  const address = parseAddress(stated);
  if (address === null || !isUnspecified(address.host)) return stated;
  return addressText({ host: remoteHost, port: address.port });
}

function isUnspecified(host: string): boolean {
  return /^[0.]+$/.test(host) || /^[0:]+$/.test(host);
}

/** Whether only this machine reaches what listens there. A name is looked up by nobody here. */
export function isLoopback(host: string): boolean {
  if (isIPv4(host)) return host.startsWith('127.');
  if (isIPv6(host)) return /^(?:::1|(?:0{1,4}:){7}0{0,3}1|::ffff:127\.[\d.]+)$/i.test(host);
  return /^localhost\.?$/i.test(host);
}

/** A host as a socket gives it; IPv4 over an IPv6 socket has a prefix that is nobody's address. */
export function remoteHostOf(remoteAddress: string | undefined): string {
  return (remoteAddress ?? '').replace(/^::ffff:(?=\d+\.)/, '');
}
