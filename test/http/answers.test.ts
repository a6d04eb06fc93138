/** Long lists are made a piece at a time, so that nothing else waits for them. */

import { Hono } from 'hono';
import { expect, it } from 'vitest';
import { jsonList } from '../../src/io/http/answers.ts';
import { HTTP_LIMITS } from '../../src/io/http/limits.ts';
import type { HttpEnv } from '../../src/io/http/env.ts';

it('a list of long rows is made and written in small pieces, and is whole in the end', async () => {
  const row = { text: 'x'.repeat(60_000) };
  let made = 0;
  function* rows(): Generator<object> {
    for (let i = 0; i < 100; i++) {
      made++;
      yield row;
    }
  }
  const app = new Hono<HttpEnv>().get('/', (c) => jsonList(c, rows()));
  const reader = (await app.request('/')).body?.getReader();
  const chunks: Uint8Array[] = [];
  for (;;) {
    const { done, value } = (await reader?.read()) ?? { done: true, value: undefined };
    if (done || value === undefined) break;
    chunks.push(value);
    // Two of these rows are a full piece, and one piece is made ahead.
    if (chunks.length === 1) expect(made).toBeLessThanOrEqual(6);
  }
  expect(Math.max(...chunks.map(({ length }) => length))).toBe(HTTP_LIMITS.writeBytes);
  expect(JSON.parse(Buffer.concat(chunks).toString())).toEqual(Array(100).fill(row));
});
