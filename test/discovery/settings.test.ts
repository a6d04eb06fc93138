/** What a person may write behind --etcd and --cluster. */

import { describe, expect, it } from 'vitest';
import { parseClusterName, parseEtcdUrls } from '../../src/io/discovery/settings.ts';

describe('--etcd', () => {
  it('takes several members, with and without a port', () => {
    expect(parseEtcdUrls('http://a.example, http://B.example:4001/,http://[::1]:80')).toEqual({
      ok: true,
      settings: {
        hosts: ['http://a.example:2379', 'http://b.example:4001', 'http://[::1]:80'],
        auth: null,
      },
    });
  });

  it('takes a member once that is named twice', () => {
    expect(parseEtcdUrls('https://a,https://A:2379')).toMatchObject({
      settings: { hosts: ['https://a:2379'] },
    });
  });

  it('takes credentials from any of the URLs, decoded', () => {
    const auth = { username: 'ann', password: 'p@ss:w/rd' };
    expect(parseEtcdUrls('http://a,http://ann:p%40ss%3Aw%2Frd@b')).toMatchObject({
      settings: { hosts: ['http://a:2379', 'http://b:2379'], auth },
    });
  });

  it.each([
    ['', 'is no address of etcd: write http://HOST:2379'],
    ['etcd:2379', 'is no address of etcd'],
    ['ftp://etcd:2379', 'is no address of etcd'],
    ['http://etcd:2379/v3', 'is no address of etcd'],
    ['http://etcd:2379?a=b', 'is no address of etcd'],
    ['http://a,,http://b', 'is no address of etcd'],
    ['http://${ETCD}:2379', 'is no address of etcd'],
    ['http://etcd:0', 'has no port 0'],
    ['http://etcd:65536', 'has no port 65536'],
    ['http://a,https://b', 'mixes http and https'],
    ['http://ann@etcd', 'write USER:PASSWORD@'],
    ['http://ann:%zz@etcd', 'write USER:PASSWORD@'],
    ['http://ann:one@a,http://ann:two@b', 'different credentials'],
  ])('refuses %j', (text, message) => {
    expect(parseEtcdUrls(text)).toMatchObject({
      ok: false,
      message: expect.stringMatching(/^--etcd "/) as string,
    });
    expect(parseEtcdUrls(text)).toHaveProperty('message', expect.stringContaining(message));
  });

  it.each(['http://ann:sesame@etcd:0', 'ann:sesame@etcd', 'http://ann:sesame/x@etcd'])(
    'shows no password when it refuses %j',
    (text) => {
      const parsed = parseEtcdUrls(text);
      expect(parsed).toHaveProperty('message', expect.stringContaining('***@'));
      expect(parsed).toHaveProperty('message', expect.not.stringContaining('sesame'));
    },
  );
});

describe('--cluster', () => {
  it.each(['tocsin', 'eu-west_2.prod', 'A1'])('takes %j', (name) => {
    expect(parseClusterName(name)).toEqual({ ok: true });
  });

  it.each(['', 'a/b', 'a b', 'ä', 'x'.repeat(65), 'a\n'])('refuses %j', (name) => {
    expect(parseClusterName(name)).toMatchObject({
      ok: false,
      message: expect.stringContaining("letters, digits, '-', '_' or '.'") as string,
    });
  });
});
