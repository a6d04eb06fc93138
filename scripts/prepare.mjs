/**
 * Makes a fresh clone runnable: installs what is missing, builds what is stale.
 *
 * Promise: when both are up to date it takes milliseconds and prints nothing; otherwise it says on
 * stderr what it does, and shows the tool's own words when that fails.
 * It uses nothing but Node, because it runs before anything is installed.
 */

import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = path.resolve(fileURLToPath(import.meta.url), '../..');

const installStamp = path.join(root, 'node_modules/.tocsin-installed');
const buildStamp = path.join(root, 'dist/.tocsin-built');

/** Runs `npm ci` unless node_modules came from the package-lock.json that is here now. */
export async function ensureInstalled() {
  refuseOldNode();
  const wanted = hashOf(readFileSync(path.join(root, 'package-lock.json')));
  if (stampOf(installStamp) === wanted) return;
  // `--include=dev`: the build needs the compiler, also where NODE_ENV says production.
  const npm = process.env.npm_execpath ?? '';
  const command = npm.endsWith('.js') ? [process.execPath, npm] : ['npm'];
  await announce('installing dependencies (npm ci)', [
    ...command,
    'ci',
    '--include=dev',
    '--prefer-offline',
    '--loglevel=error',
  ]);
  writeFileSync(installStamp, wanted);
}

/** Builds dist unless it was built from the sources that are here now. */
export async function ensureBuilt() {
  const wanted = hashOf(`${sourceListing()}\n${stampOf(installStamp)}`);
  if (stampOf(buildStamp) === wanted) return;
  await announce('building', [process.execPath, path.join(root, 'scripts/build.mjs')]);
  writeFileSync(buildStamp, wanted);
}

/**
 * Runs a command to its end. Resolves to `{code, output}`; `output` is what it printed on either
 * stream, in order.
 */
export function run([command, ...args], options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
      ...options,
    });
    let output = '';
    child.stdout?.on('data', (chunk) => (output += chunk));
    child.stderr?.on('data', (chunk) => (output += chunk));
    child.on('error', reject);
    child.on('close', (code) => resolve({ code: code ?? 1, output }));
  });
}

/** Says what runs and how long it took; on failure shows the output and ends this process. */
async function announce(what, command) {
  const started = Date.now();
  const seconds = () => Math.round((Date.now() - started) / 1000);
  const ticking = process.stderr.isTTY
    ? setInterval(() => process.stderr.write(`\r${what} … ${seconds()} s`), 1000)
    : undefined;
  process.stderr.write(`${what} …`);
  const { code, output } = await run(command);
  clearInterval(ticking);
  const verdict = code === 0 ? 'done in' : 'failed after';
  process.stderr.write(`${ticking ? `\r${what} …` : ''} ${verdict} ${seconds()} s\n`);
  if (code === 0) return;
  process.stderr.write(output);
  process.exit(code);
}

/** Node 20.19 is the first that this code runs on; an older one fails later and says less. */
function refuseOldNode() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major > 20 || (major === 20 && minor >= 19)) return;
  process.stderr.write(`Tocsin needs Node 20.19 or newer; this is ${process.version}.\n`);
  process.exit(1);
}

/** Every build input with its size and time, so that an added or removed file counts too. */
function sourceListing() {
  const sources = readdirSync(path.join(root, 'src'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name));
  const settings = ['tsconfig.json', 'tsconfig.build.json', 'scripts/build.mjs'];
  return [...sources, ...settings.map((name) => path.join(root, name))]
    .map((name) => [name, statSync(name).size, statSync(name).mtimeMs].join(' '))
    .join('\n');
}

function stampOf(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}

function hashOf(content) {
  return createHash('sha256').update(content).digest('hex');
}
