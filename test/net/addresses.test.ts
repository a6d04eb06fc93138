import { describe, expect, it } from 'vitest';
import { parseAddress, reachableAt, remoteHostOf } from '../../src/io/net/addresses.ts';

describe('an address', () => {
  it.each([
    ['127.0.0.1:9094', { host: '127.0.0.1', port: 9094 }],
    ['tocsin-1.example.com:1', { host: 'tocsin-1.example.com', port: 1 }],
    ['[::1]:65535', { host: '::1', port: 65_535 }],
    ['[fe80::1%eth0]:80', { host: 'fe80::1%eth0', port: 80 }],
  ])('is read from %s', (text, expected) => {
    expect(parseAddress(text)).toEqual(expected);
  });

  it.each([
    '',
    ':9094',
    'host',
    'host:',
    'host:0',
    'host:65536',
    'host:-1',
    '::1:80',
    '[::1]',
    '[x]:80',
    'a b:80',
    'a\0b:80',
    'http://host:80',
  ])('is not read from %j', (text) => {
    expect(parseAddress(text)).toBeNull();
  });

  it.each([
    ['0.0.0.0:9094', '10.0.0.7:9094'],
    ['[::]:9094', '10.0.0.7:9094'],
    ['10.0.0.1:9094', '10.0.0.1:9094'],
    ['db-0.example.com:9094', 'db-0.example.com:9094'],
    ['nonsense', 'nonsense'],
  ])('%s of a node at 10.0.0.7 leads to %s', (stated, expected) => {
    expect(reachableAt(stated, '10.0.0.7')).toBe(expected);
  });

  it('of all interfaces leads to the IPv6 host it came from', () => {
    expect(reachableAt('0.0.0.0:9094', 'fd00::7')).toBe('[fd00::7]:9094');
  });

  it('loses the prefix that an IPv4 sender has on an IPv6 socket', () => {
    expect(remoteHostOf('::ffff:10.0.0.7')).toBe('10.0.0.7');
    expect(remoteHostOf('fd00::7')).toBe('fd00::7');
  });
});
