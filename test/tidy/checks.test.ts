/**
 * The checks check: each forbidden thing is planted in a scratch repository and must be reported.
 *
 * A linter that lost its plugin, and an arrows check that read no file, both look like success.
 */

import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const root = path.resolve(import.meta.dirname, '../..');
let scratch = '';

beforeEach(() => {
  scratch = mkdtempSync(path.join(tmpdir(), 'tocsin-checks-'));
  for (const name of ['.oxlintrc.json', '.dependency-cruiser.cjs', 'package.json', 'scripts']) {
    cpSync(path.join(root, name), path.join(scratch, name), { recursive: true });
  }
  symlinkSync(path.join(root, 'node_modules'), path.join(scratch, 'node_modules'));
});

afterEach(() => {
  rmSync(scratch, { recursive: true, force: true });
});

describe('lint: a pure folder may not look at the world', () => {
  const planted: readonly (readonly [code: string, report: string])[] = [
    ['export const a = Date.now();', 'No Date here'],
    ['export type A = Date;', 'No Date here'],
    ['export const a = performance.now();', 'No performance here'],
    ['setTimeout(() => {}, 1);', 'No setTimeout here'],
    ['queueMicrotask(() => {});', 'No queueMicrotask here'],
    ['export const a = Math.random();', 'No Math.random here'],
    ["export const a = Math['random']();", 'No Math.random here'],
    ['const { random } = Math; export { random };', 'No loose Math here'],
    ['export const a = Math.sin(1) + Math.pow(2, 3);', 'No Math.pow here'],
    ['export const a = 2 ** 32;', 'No `**` here'],
    ['export const a = new Intl.NumberFormat();', 'No Intl here'],
    ['export const a = process.env;', 'No process here'],
    ["export const a = Buffer.from('a');", 'No Buffer here'],
    ['console.log(1);', 'No console here'],
    ['export const a = globalThis.performance;', 'No globalThis here'],
    ['export const a = crypto.randomUUID();', 'No crypto here'],
    ["export const a = fetch('http://a');", 'No fetch here'],
    ['export const a = (1).toLocaleString();', 'No toLocaleString here'],
    ["export const a = 'a'.localeCompare('b');", 'No localeCompare here'],
    ["export const a = 'a'.normalize();", 'No normalize here'],
    ["export const a = 'a'.toLowerCase();", 'No toLowerCase here'],
    ['export const a = import.meta.url;', 'No import.meta here'],
    ["import 'node:fs';", "No 'node:fs' here"],
    ["import 'fs/promises';", "No 'fs/promises' here"],
    ["export { pack } from 'msgpackr';", "'msgpackr' import is restricted"],
    ['export async function a(): Promise<void> {}', 'async is not allowed'],
  ];

  it('reports each of them, in the four pure folders and nowhere else', () => {
    const folders = ['commands', 'log', 'projections', 'raft', 'io'];
    for (const folder of folders) {
      planted.forEach(([code], i) => plant(`src/${folder}/planted-${i}.ts`, code));
    }
    const reports = lint();
    planted.forEach(([code, report], i) => {
      const reported = folders.filter((folder) =>
        reports.some(
          (line) => line.startsWith(`src/${folder}/planted-${i}.ts:`) && line.includes(report),
        ),
      );
      expect([code, reported]).toEqual([code, expectedFolders(report)]);
    });
  });

  it('leaves alone what only sounds like it', () => {
    plant(
      'src/raft/innocent.ts',
      `export function a(event: number, self: number): number {
         return event + self + Math.floor(1.5);
       }
       export const b = new TextEncoder().encode('Date.now()');
       export const c = { normalize: 1, now: 2 };`,
    );
    expect(lint()).toEqual([]);
  });

  function expectedFolders(report: string): readonly string[] {
    // src/log reads and writes over a port that may wait, so it may be async.
    if (report.startsWith('async')) return ['commands', 'projections', 'raft'];
    const everywhere = report.includes('msgpackr');
    return ['commands', 'log', 'projections', 'raft', ...(everywhere ? ['io'] : [])];
  }

  /** One line for each finding: `file:line:column: what`. */
  function lint(): readonly string[] {
    const oxlint = path.join(root, 'node_modules/oxlint/bin/oxlint');
    const { stdout } = spawnSync(process.execPath, [oxlint, '--format=unix', 'src'], {
      cwd: scratch,
      encoding: 'utf8',
    });
    return stdout.split('\n').filter((line) => line.startsWith('src/'));
  }
});

describe('arrows: who may import whom', () => {
  it('this repository keeps them, and every file was seen', () => {
    const { status, output } = checkArrows(root);
    const [, cruised, onDisk] = /(\d+) modules cruised, (\d+) \.ts files/.exec(output) ?? [];
    expect(output).toContain(' 0 forbidden imports');
    expect(cruised).toBe(onDisk);
    expect(status).toBe(0);
  });

  it('reports each import against an arrow', () => {
    const planted: readonly (readonly [rule: string, folder: string, to: string])[] = [
      ['commands-imports-nothing', 'src/commands', '../log/b.ts'],
      ['log-imports-commands', 'src/log', '../raft/b.ts'],
      ['projections-imports-commands', 'src/projections', '../log/b.ts'],
      ['raft-imports-nothing', 'src/raft', '../io/ports.ts'],
      ['raft-packages', 'src/raft', 'immer'],
      ['home-of-immer', 'src/io/node', 'immer'],
      ['home-of-level', 'src/io/net', 'level'],
      ['home-of-msgpackr', 'src/io/http', 'msgpackr/pack'],
      ['pure-folders-know-no-node', 'src/log', 'node:fs'],
      ['adapters-stand-alone', 'src/io/metrics', '../net/b.ts'],
      ['adapters-stand-alone', 'src/io/metrics', '../replay/b.ts'],
      ['libraries-for-http-and-ui', 'src/io/http', '../net/b.ts'],
      ['libraries-for-http-and-ui', 'src/io/ui', '../http/b.ts'],
      ['replay-reads-recordings', 'src/io/replay', '../http/b.ts'],
      ['replay-reads-recordings', 'src/io/replay', '../disk/snapshot-store.ts'],
      ['node-knows-ports', 'src/io/node', '../disk/b.ts'],
      ['sim-brings-its-own-world', 'src/io/sim', '../disk/b.ts'],
      ['daemon-knows-neither-sim-nor-cli', 'src/io/daemon', '../sim/b.ts'],
      ['cli-opens-the-daemon-the-sim-or-a-store', 'src/io/cli', '../notify/b.ts'],
      ['nothing-imports-cli', 'src/io/daemon', '../cli/b.ts'],
      ['ports-know-the-inner-folders', 'src/io', './net/b.ts'],
      ['every-io-folder-has-its-arrows', 'src/io/extra', '../ports.ts'],
      ['src-never-imports-test', 'src/io/net', '../../../test/b.ts'],
      ['no-dev-dependency-at-run-time', 'src/io/net', 'typescript'],
      ['no-unresolved', 'src/io/net', './missing.ts'],
    ];
    const importers = planted.map(([rule, folder, to], i) => {
      const from = rule.startsWith('ports-') ? 'src/io/ports.ts' : `${folder}/planted-${i}.ts`;
      // Types only: an arrow holds for what the compiler erases, too.
      plant(from, `import type * as b from '${to}';\nexport type B = typeof b;`);
      const target = path.join(folder, to);
      const exists = !to.startsWith('.') || rule === 'no-unresolved' || to.endsWith('ports.ts');
      if (!exists) plant(target, 'export const b = 1;');
      return from;
    });
    const { status, output } = checkArrows(scratch);
    const reports = output.split('\n').map((line, i, lines) => `${line} ${lines[i + 1] ?? ''}`);
    const missed = planted.filter(
      ([rule], i) =>
        !reports.some(
          (line) => line.startsWith(`${importers[i]} `) && line.includes(`  ${rule}: `),
        ),
    );
    expect(missed).toEqual([]);
    expect(status).toBe(1);
  });

  it('a cycle is reported', () => {
    plant('src/raft/a.ts', "import { b } from './b.ts';\nexport const a = b;");
    plant('src/raft/b.ts', "import { a } from './a.ts';\nexport const b = a;");
    expect(checkArrows(scratch).output).toContain('  no-cycles: ');
  });

  it('no module cruised is no success', () => {
    mkdirSync(path.join(scratch, 'src'));
    const { status, output } = checkArrows(scratch);
    expect(output).toContain('0 modules cruised, 0 .ts files under src');
    expect(status).toBe(1);
  });

  function checkArrows(where: string): { status: number | null; output: string } {
    const script = path.join(root, 'scripts/check-arrows.mjs');
    const { status, stdout, stderr } = spawnSync(process.execPath, [script, where], {
      encoding: 'utf8',
    });
    return { status, output: stdout + stderr };
  }
});

function plant(name: string, code: string): void {
  const file = path.join(scratch, name);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, `${code}\n`);
}
