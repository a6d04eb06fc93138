/**
 * `npm start`: one Tocsin node in the quickstart configuration, straight from a fresh clone.
 *
 * Promise: arguments are handed through (`npm start -- --http 127.0.0.1:0`), a signal reaches the
 * daemon exactly once, and the exit code is the daemon's.
 */

import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { ensureBuilt, ensureInstalled, root } from './prepare.mjs';

/** npm and the terminal both pass on one Ctrl-C; what follows within this time is its echo. */
const ECHO_MS = 500;

process.stderr.write('Starts one Tocsin node with examples/quickstart.yml; Ctrl-C stops it.\n');
await ensureInstalled();
await ensureBuilt();

const daemon = spawn(
  process.execPath,
  [
    'dist/io/cli/main.js',
    'start',
    '--config=examples/quickstart.yml',
    '--data-dir=.tocsin/quickstart',
    ...process.argv.slice(2),
  ],
  // Its own process group: the terminal's Ctrl-C then comes through here only, and only once.
  { cwd: root, stdio: 'inherit', detached: true },
);

let forwardedAt = 0;
// The terminal that closes means stop; to the daemon itself SIGHUP would mean "read your file again".
for (const [heard, sent] of [
  ['SIGINT', 'SIGINT'],
  ['SIGTERM', 'SIGTERM'],
  ['SIGHUP', 'SIGTERM'],
]) {
  process.on(heard, () => {
    if (Date.now() - forwardedAt < ECHO_MS) return;
    forwardedAt = Date.now();
    daemon.kill(sent);
  });
}
daemon.on('exit', (code, signal) => {
  process.exitCode = code ?? 128 + constants.signals[signal];
});
