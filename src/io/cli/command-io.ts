/** What `main.ts` hands to every subcommand: where to write, and where the exit code goes. */

import type { Writable } from 'node:stream';
import type { ExitCode } from '../daemon/exit.ts';

/** A stream that may be a terminal. */
export type Terminal = Writable & { readonly isTTY?: boolean };

export interface Terminals {
  readonly stdout: Terminal;
  readonly stderr: Terminal;
}

export interface CommandIo extends Terminals {
  readonly finish: (code: ExitCode) => void;
}
