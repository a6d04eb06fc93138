/** Whose request it is, behind proxies and with headers that anybody can write. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseNetwork } from '../../src/io/config/networks.ts';
import { networkOf, TrustedProxies } from '../../src/io/http/client-address.ts';

const trusted = (...texts: readonly string[]): TrustedProxies =>
  new TrustedProxies(texts.flatMap((text) => parseNetwork(text) ?? []));

const clientOf = (
  proxies: TrustedProxies,
  remoteAddress: string | undefined,
  forwarded?: string,
) => {
  const headers = forwarded === undefined ? {} : { 'x-forwarded-for': forwarded };
  const socket = { remoteAddress } as Parameters<TrustedProxies['clientOf']>[0]['socket'];
  return proxies.clientOf({ headers, socket });
};

describe('the address of a client', () => {
  const proxies = trusted('10.0.0.0/24', '192.0.2.1', 'fd00::/8');

  it.each([
    ['a client of its own', '198.51.100.7', undefined, '198.51.100.7'],
    ['one that claims to be another', '198.51.100.7', '10.9.9.9', '198.51.100.7'],
    ['one behind a proxy', '192.0.2.1', '198.51.100.7', '198.51.100.7'],
    ['one behind two proxies', '192.0.2.1', '198.51.100.7, 10.0.0.9', '198.51.100.7'],
    [
      'one that claims something behind a proxy',
      '192.0.2.1',
      '1.1.1.1, 198.51.100.7',
      '198.51.100.7',
    ],
    ['a proxy that asks for itself', '192.0.2.1', undefined, '192.0.2.1'],
    ['a proxy whose header is no address', '192.0.2.1', 'unknown', '192.0.2.1'],
    ['an entry with a port', '192.0.2.1', '198.51.100.7:4711', '198.51.100.7'],
    ['an IPv6 entry with a port', 'fd00::1', '[2001:db8::7]:4711', '2001:db8::7'],
    ['IPv4 on a socket of IPv6', '::ffff:10.0.0.3', '::ffff:198.51.100.7', '198.51.100.7'],
    ['a connection that is gone', undefined, '198.51.100.7', 'unknown'],
  ])('%s', (_, remote, forwarded, client) => {
    expect(clientOf(proxies, remote, forwarded)).toBe(client);
  });

  it('whatever an untrusted client writes into the header, it remains itself', () => {
    fc.assert(
      fc.property(fc.ipV4(), fc.array(fc.oneof(fc.ipV4(), fc.ipV6(), fc.string())), (own, hops) => {
        fc.pre(!proxies.has(own));
        expect(clientOf(proxies, own, hops.join(', '))).toBe(own);
        // Behind a proxy its own entries stand before the one that the proxy appends.
        expect(clientOf(proxies, '192.0.2.1', [...hops, own].join(', '))).toBe(own);
      }),
    );
  });

  it('an IPv6 client is its network of 64 bits, however it is written', () => {
    expect(networkOf('2001:db8:1:2::7')).toBe(networkOf('2001:0db8:0001:0002:ffff::'));
    expect(networkOf('2001:db8:1:3::7')).not.toBe(networkOf('2001:db8:1:2::7'));
    expect(networkOf('::ffff:10.0.0.1')).toBe(networkOf('10.0.0.1'));
  });
});

it.each([
  '',
  '10.0.0.0/33',
  'fd00::/129',
  '10.0.0',
  'proxy.example',
  '10.0.0.1/',
  '10.0.0.1/8/8',
  'fe80::1%eth0',
])('%j is no network', (text) => {
  expect(parseNetwork(text)).toBeNull();
});
