/**
 * The programs of other people that black-box tests and measurements talk to, taken from Debian.
 *
 * Promise: nothing is installed and nothing is started. A package that is missing is downloaded
 * and unpacked into node_modules/.cache, so deleting that folder undoes it; where that cannot be
 * done, the tests that need the program are skipped and the reason is given.
 */

import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { root, run } from './prepare.mjs';

const cache = path.join(root, 'node_modules/.cache/debian-tools');

/** Folder that holds the unpacked programs; the tests find it at the end of PATH. */
export const toolsPath = path.join(cache, 'usr/bin');

/** Program a test calls → packages that have it, and what cannot be shown without it. */
const tools = [
  { program: 'amtool', packages: ['prometheus-alertmanager'], shows: 'amtool works unmodified' },
  {
    program: 'prometheus-alertmanager',
    packages: ['prometheus-alertmanager'],
    shows: 'requests are answered as Alertmanager answers them',
  },
  { program: 'promtool', packages: ['prometheus'], shows: '/metrics passes the linter' },
  { program: 'prometheus', packages: ['prometheus'], shows: 'Prometheus pushes its alerts' },
  { program: 'etcd', packages: ['etcd-server'], shows: 'nodes find one another through etcd' },
  {
    program: 'faketime',
    packages: ['faketime', 'libfaketime'],
    shows: 'leaps of the clock of a real process change nothing',
  },
  {
    program: 'strace',
    packages: ['strace'],
    shows: 'a leader whose disk is slow transfers leadership',
  },
  {
    program: 'carbon-cache',
    // What it imports is not in the package, and nothing here resolves dependencies.
    packages: [
      'graphite-carbon',
      'python3-attr',
      'python3-automat',
      'python3-cachetools',
      'python3-constantly',
      'python3-hyperlink',
      'python3-idna',
      'python3-incremental',
      'python3-six',
      'python3-twisted',
      'python3-typing-extensions',
      'python3-urllib3',
      'python3-whisper',
      'python3-zope.interface',
    ],
    shows: 'carbon stores the pushed metrics',
  },
];

/** Programs beside which a measurement puts ours. */
const benchTools = [
  {
    program: 'prometheus-alertmanager',
    packages: ['prometheus-alertmanager'],
    shows: 'alerts accepted a second',
  },
  { program: 'etcd', packages: ['etcd-server'], shows: 'puts a second on three disks' },
  {
    program: 'syncobj_admin',
    packages: ['python3-pysyncobj'],
    shows: 'commands a second of three nodes in memory',
  },
];

/** Where Python finds what is unpacked there. */
export const pythonPath = path.join(cache, 'usr/lib/python3/dist-packages');

/** Fetches what is missing; resolves to one sentence for each thing that stays untested. */
export function ensureDebianTools() {
  return ensure(tools);
}

/** The same for `npm run bench`. */
export function ensureBenchTools() {
  return ensure(benchTools);
}

async function ensure(wanted) {
  const missing = await missingOf(wanted);
  if (missing.length === 0) return [];
  const failure = await fetchPackages([...new Set(missing.flatMap((tool) => tool.packages))]);
  return (await missingOf(wanted)).map(
    ({ program, shows }) => `skipped, because ${program} is missing (${failure}): ${shows}`,
  );
}

async function missingOf(wanted) {
  const found = await Promise.all(wanted.map(({ program }) => isOnPath(program)));
  return wanted.filter((_, index) => !found[index]);
}

async function isOnPath(program) {
  const { code } = await run(['sh', '-c', `command -v ${program}`], {
    env: { ...process.env, PATH: `${process.env.PATH}:${toolsPath}` },
  });
  return code === 0;
}

/** Downloads and unpacks; resolves to why it did not work, or to undefined. */
async function fetchPackages(packages) {
  if (!(await isOnPath('apt-get')) || !(await isOnPath('dpkg-deb'))) return 'this is no Debian';
  mkdirSync(cache, { recursive: true });
  process.stderr.write(`fetching tools of other people: ${packages.join(', ')}\n`);
  if (!(await download(packages)) && !((await updateLists()) && (await download(packages)))) {
    return 'apt-get download failed';
  }
  const { code } = await run(
    ['sh', '-c', 'for f in *.deb; do dpkg-deb -x "$f" . && rm "$f"; done'],
    {
      cwd: cache,
    },
  );
  return code === 0 ? undefined : 'dpkg-deb could not unpack it';
}

async function download(packages) {
  const { code } = await run(['apt-get', 'download', '-qq', ...packages], { cwd: cache });
  return code === 0;
}

/** A fresh machine has no package lists; only root may fetch them, so nobody is asked a password. */
async function updateLists() {
  const asRoot = process.getuid?.() === 0 ? [] : ['sudo', '-n'];
  const { code } = await run([...asRoot, 'apt-get', 'update', '-qq']).catch(() => ({ code: 1 }));
  return code === 0;
}
