/** Backups over HTTP: one at a time, at the pace of the client, and only for this machine. */

import { Hono } from 'hono';
import { describe, expect, it } from 'vitest';
import { HTTP_LIMITS } from '../../src/io/http/limits.ts';
import type { HttpEnv } from '../../src/io/http/env.ts';
import type { HttpModules } from '../../src/io/http/modules.ts';
import { backupRoute } from '../../src/io/http/tocsin/backup.ts';
import { HandClock } from '../support/hand-clock.ts';

/** A state that has no end, in parts of half a slice; counts what was encoded. */
function desk() {
  const clock = new HandClock(0);
  const encoded = { bytes: 0 };
  function* endless(): Generator<Uint8Array> {
    for (;;) {
      const part = new Uint8Array(HTTP_LIMITS.backupSliceBytes / 2);
      encoded.bytes += part.length;
      yield part;
    }
  }
  const recorded: unknown[] = [];
  const node = {
    view: () => ({}),
    status: () => ({ clusterId: 'c', nodeId: 'node-1', name: 'n1' }),
    record: (request: unknown) => recorded.push(request),
  };
  const app = new Hono<HttpEnv>();
  app.use((c, next) => {
    c.set('actor', { kind: 'user', name: 'ann' });
    return next();
  });
  app.get('/', backupRoute({ backup: endless, clock, node } as unknown as HttpModules));
  const get = async (remoteAddress: string, headers: Record<string, string> = {}) =>
    app.request('/', { headers }, { incoming: { socket: { remoteAddress } } });
  return { clock, encoded, get, recorded };
}

describe('GET /tocsin/v1/backup', () => {
  it('encodes no more than the client reads', async () => {
    const { encoded, get } = desk();
    const answer = await get('127.0.0.1');
    const reader = answer.body?.getReader();
    for (let i = 0; i < 5; i++) await reader?.read();
    expect(encoded.bytes).toBeLessThanOrEqual(7 * HTTP_LIMITS.backupSliceBytes);
    await reader?.cancel();
  });

  it('is recorded with who took it, and only when it is given', async () => {
    const { get, recorded } = desk();
    await get('10.0.0.7');
    expect(recorded).toEqual([]);
    await get('127.0.0.1');
    const actor = { kind: 'user', name: 'ann' };
    expect(recorded).toEqual([{ action: 'backup', subject: 'node-1', detail: 'n1', actor }]);
  });

  it('makes one at a time, and the next one when a client has gone', async () => {
    const { get } = desk();
    const first = await get('::1');
    expect((await get('127.0.0.1')).status).toBe(503);
    await first.body?.cancel();
    expect((await get('127.0.0.1')).status).toBe(200);
  });

  it('cuts off a client that stops reading', async () => {
    const { clock, get } = desk();
    const first = await get('::ffff:127.0.0.1');
    const reader = first.body?.getReader();
    await reader?.read();
    clock.advance(HTTP_LIMITS.backupPatienceMs);
    await expect(reader?.closed).rejects.toThrow('has stopped reading');
    expect((await get('127.0.0.1')).status).toBe(200);
  });

  it.each([
    ['another machine', '10.0.0.7', {}],
    ['a proxy on this machine', '127.0.0.1', { 'x-forwarded-for': '10.0.0.7' }],
    ['another kind of proxy', '127.0.0.1', { via: '1.1 proxy' }],
    ['nobody knows whom', '', {}],
  ])('is refused to %s', async (_, address, headers) => {
    const { encoded, get } = desk();
    const answer = await get(address, headers);
    expect(answer.status).toBe(403);
    expect(await answer.json()).toContain('on the machine of the member');
    expect(encoded.bytes).toBe(0);
  });
});
