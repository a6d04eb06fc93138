/**
 * The pure folders are pure: they load and fold in a world that has no clock, no chance and no Node,
 * and come to the same bytes as outside.
 */

import { readdirSync } from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { createBareWorld, type BareWorld } from './bare-world.ts';
import { foldStory } from './purity-story.ts';

const root = path.resolve(import.meta.dirname, '../..');
let world: BareWorld;

beforeAll(async () => {
  world = await createBareWorld();
});

describe('purity: the bare world refuses what can differ between two runs', () => {
  it.each([
    'Date.now()',
    'new Date()',
    'Date()',
    'globalThis.Date.now()',
    'performance.now()',
    'setTimeout(() => {}, 1)',
    'setImmediate(() => {})',
    'queueMicrotask(() => {})',
    'Math.random()',
    'Math.sin(1)',
    'Math.pow(2.5, 1.5)',
    'new Intl.DateTimeFormat()',
    "'a'.localeCompare('b')",
    "'a'.normalize()",
    '(1).toLocaleString()',
    '[1].toLocaleString()',
    'process.env',
    "Buffer.from('a')",
    'console.log(1)',
    'crypto.randomUUID()',
    "fetch('http://127.0.0.1')",
    "require('fs')",
    'new WeakRef({}).deref()',
    'new SharedArrayBuffer(8)',
    "eval('1')",
    "new Function('return 1')()",
  ])('%s throws', (snippet) => {
    expect(() => world.run(snippet)).toThrow(
      /is not for a pure folder|Code generation from strings/,
    );
  });

  it('runs what is left of the language', () => {
    const snippet = "new TextDecoder().decode(new TextEncoder().encode('Ä' + Math.floor(1.5)))";
    expect(world.run(snippet)).toBe('Ä1');
  });

  it('refuses a module of Node', async () => {
    const helper = path.join(import.meta.dirname, 'bare-world.ts');
    await expect(world.load(helper)).rejects.toThrow("imports 'node:fs', which is not pure");
  });
});

describe.each(['commands', 'log', 'projections', 'raft'])('purity: src/%s', (folder) => {
  const files = readdirSync(path.join(root, 'src', folder), { recursive: true, encoding: 'utf8' });

  it.each(files.filter((name) => name.endsWith('.ts')).toSorted())('%s loads', async (name) => {
    const namespace = await world.load(path.join(root, 'src', folder, name));
    expect(Object.prototype.toString.call(namespace)).toBe('[object Module]');
  });
});

describe('purity: the same commands fold to the same state', () => {
  it('inside the bare world and outside of it', async () => {
    const inside = await world.load(path.join(import.meta.dirname, 'purity-story.ts'));
    const fold = inside['foldStory'];
    if (typeof fold !== 'function') throw new Error('purity-story.ts exports no foldStory');
    const outcome: unknown = fold();
    expect(outcome).toBe(foldStory());
    expect(outcome).toMatch(/^([0-9a-f]{2})+$/);
  });
});
