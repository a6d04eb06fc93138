/**
 * `npm start`: one Tocsin node in the quickstart configuration, straight from a fresh clone, with
 * an inbox that prints its pages.
 *
 * Promise: arguments are handed through (`npm start -- --http 127.0.0.1:0`), a signal reaches the
 * daemon exactly once, and the exit code is the daemon's. The daemon's log goes to a file, so that
 * the terminal shows where to look, the pages, and what goes wrong.
 */

import { spawn } from 'node:child_process';
import { createWriteStream, mkdirSync } from 'node:fs';
import { constants } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { startInbox } from '../examples/inbox.mjs';
import { ensureBuilt, ensureInstalled, root } from './prepare.mjs';

/** npm and the terminal both pass on one Ctrl-C; what follows within this time is its echo. */
const ECHO_MS = 500;
/** The port that examples/quickstart.yml pages. */
const INBOX_PORT = 9095;
const DATA = '.tocsin/quickstart';

const say = (line) => process.stdout.write(`${line}\n`);

process.stderr.write('Starts one Tocsin node with examples/quickstart.yml; Ctrl-C stops it.\n');
await ensureInstalled();
await ensureBuilt();

const inbox = await startInbox(INBOX_PORT, say).catch((error) => {
  say(`No inbox: port ${INBOX_PORT} cannot be used (${error.code}). Pages go to whoever has it.`);
});
const daemon = spawn(
  process.execPath,
  [
    'dist/io/cli/main.js',
    'start',
    '--config=examples/quickstart.yml',
    `--data-dir=${DATA}`,
    ...process.argv.slice(2),
  ],
  // Its own process group: the terminal's Ctrl-C then comes through here only, and only once.
  { cwd: root, stdio: ['ignore', 'inherit', 'pipe'], detached: true },
);

mkdirSync(path.join(root, '.tocsin'), { recursive: true });
const log = createWriteStream(path.join(root, '.tocsin/quickstart.log'), { flags: 'a' });
createInterface({ input: daemon.stderr }).on('line', (line) => {
  log.write(`${line}\n`);
  const entry = parsed(line);
  if (entry === null) process.stderr.write(`${line}\n`);
  else if (entry.msg === 'listening') welcome(entry);
  else if (entry.level === 'warn' || entry.level === 'error') process.stderr.write(`${line}\n`);
});

function parsed(line) {
  try {
    return JSON.parse(line);
  } catch {
    return null;
  }
}

function welcome({ http, carbon }) {
  const [host, port] = carbon.split(/:(?=\d+$)/);
  say(`
Tocsin runs.
  look        http://${http}/
  send        echo "demo.wave 99" > /dev/tcp/${host}/${port}      (bash; or pipe it to nc)
  silence     amtool silence add alertname=DemoWaveHigh -d 2m -c demo --alertmanager.url=http://${http}
  afterwards  npx tocsin replay ${DATA}
  its log     .tocsin/quickstart.log
Pages are printed here as the inbox receives them; the demo wave pages within a minute.
`);
}

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
  inbox?.closeAllConnections();
  inbox?.close();
  log.end();
});
