/** Compiles one program of test/ or bench/ into a temporary folder, for a command that runs it. */

import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { ensureInstalled, root, run } from './prepare.mjs';

/**
 * Calls `use` with the module of `source`, such as `test/sim/main.ts`, and with the address from which
 * another thread can import it; cleans up afterwards.
 */
export async function withProgram(source, use) {
  await ensureInstalled();
  const folder = mkdtempSync(path.join(tmpdir(), 'tocsin-program-'));
  try {
    await compile(source, folder);
    const program = pathToFileURL(path.join(folder, source.replace(/\.ts$/, '.js'))).href;
    return await use(await import(program), program);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function compile(source, folder) {
  const config = path.join(folder, 'tsconfig.json');
  writeFileSync(path.join(folder, 'package.json'), '{ "type": "module" }');
  symlinkSync(path.join(root, 'node_modules'), path.join(folder, 'node_modules'));
  writeFileSync(
    config,
    JSON.stringify({
      extends: path.join(root, 'tsconfig.bench.json'),
      compilerOptions: {
        rootDir: root,
        outDir: folder,
        // Types are the business of `npm run check`.
        noCheck: true,
        typeRoots: [path.join(root, 'node_modules/@types')],
      },
      include: [path.join(root, source)],
    }),
  );
  const { code, output } = await run(['npx', 'tsc', '-p', config]);
  if (code !== 0) throw new Error(output);
}
