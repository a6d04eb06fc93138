/**
 * A program that sends carbon lines to one member, as fast as it is allowed to: the load of a
 * measurement, apart from the process that measures. All lines are made before the first is sent,
 * so that it takes as little of the cores as a sender can.
 *
 * In each round one of 200 series goes over its threshold and those of the round before come back,
 * so that one reading of a hundred changes something.
 */

import { once } from 'node:events';
import { connect } from 'node:net';
import type { Allowance, LoadOptions } from './carbon-senders.ts';

const ROUNDS = 4;
/** Lines that are handed to the socket at once. */
const CHUNK_LINES = 512;
/** How often a sender with a steady rate looks at the clock. */
const PACE_MS = 2;

interface Chunk {
  readonly bytes: Buffer;
  readonly lines: number;
}

const options = JSON.parse(process.argv[2] ?? '{}') as LoadOptions;
const chunks = Array.from({ length: ROUNDS }, (_, round) => roundOf(round)).flat();
const socket = connect(options.port, '127.0.0.1');
let sent = 0;
let allowed = 0;
let perSecond = 0;
let pacedAtMs = performance.now();
let next = 0;
let isSending = false;

process.on('message', (allowance: Allowance) => {
  if (allowance.readings !== undefined) allowed = allowance.readings;
  if (allowance.perSecond !== undefined) {
    perSecond = allowance.perSecond;
    allowed = Math.max(allowed, sent);
    pacedAtMs = performance.now();
  }
  void send();
});
process.on('disconnect', () => process.exit());
setInterval(pace, PACE_MS);
// Its member was killed: whoever did that ends this process, too.
socket.on('error', () => (perSecond = 0));
await once(socket, 'connect');
process.send?.('ready');

function pace(): void {
  if (perSecond === 0) return;
  const nowMs = performance.now();
  allowed += ((nowMs - pacedAtMs) / 1_000) * perSecond;
  pacedAtMs = nowMs;
  void send();
}

async function send(): Promise<void> {
  if (isSending) return;
  isSending = true;
  while (sent < allowed) {
    const chunk = chunks[next];
    if (chunk === undefined) break;
    next = (next + 1) % chunks.length;
    sent += chunk.lines;
    if (!socket.write(chunk.bytes)) await once(socket, 'drain').catch(() => undefined);
    if (socket.destroyed) return;
  }
  isSending = false;
}

function roundOf(round: number): readonly Chunk[] {
  const { from, to } = options;
  return Array.from({ length: Math.ceil((to - from) / CHUNK_LINES) }, (_, i) => {
    const first = from + i * CHUNK_LINES;
    const lines = Array.from({ length: Math.min(CHUNK_LINES, to - first) }, (__, at) =>
      lineOf(first + at, round),
    );
    return { bytes: Buffer.from(lines.join('')), lines: lines.length };
  });
}

function lineOf(i: number, round: number): string {
  const value = (i + round) % 200 === 0 ? 99 : 20 + ((i + round) % 50);
  return `servers.web-${i >>> 6}.cpu.core${i & 63} ${value}\n`;
}
