/**
 * The program beside `tocsin chaos` that outlives it, if only just: it kills the members when the
 * command has died without being able to, as after a `kill -9`.
 *
 * It reads lines `PLACE PID` and `PLACE`, the second when that process has ended, so that a number
 * that the system gives to somebody else meanwhile is not killed. Its input ends with the command.
 */

import { createInterface } from 'node:readline';

const living = new Map<string, number>();

for await (const line of createInterface({ input: process.stdin })) {
  const [place = '', pid] = line.split(' ');
  if (pid === undefined) living.delete(place);
  else living.set(place, Number(pid));
}
for (const pid of living.values()) {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
}
