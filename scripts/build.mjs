/**
 * Builds src into dist: one .js for one .ts, everything else copied as it is.
 *
 * Promise: dist holds nothing that src does not explain, and `dist/io/cli/main.js` can be executed.
 */

import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';
import { root } from './prepare.mjs';

const src = path.join(root, 'src');
const dist = path.join(root, 'dist');
const main = path.join(dist, 'io/cli/main.js');

rmSync(dist, { recursive: true, force: true });
const tsc = path.join(root, 'node_modules/typescript/bin/tsc');
const { status } = spawnSync(process.execPath, [tsc, '-p', 'tsconfig.build.json'], {
  cwd: root,
  stdio: 'inherit',
});
cpSync(src, dist, { recursive: true, filter: isAsset });
if (existsSync(main)) chmodSync(main, 0o755);
process.exitCode = status ?? 1;

/** What the compiler leaves alone: pages, styles and templates go along with the code. */
function isAsset(file) {
  return statSync(file).isDirectory() || !file.endsWith('.ts');
}
