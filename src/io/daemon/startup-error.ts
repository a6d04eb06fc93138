/** A reason not to start, in words for the person who started it. */

import { EXIT, type ExitCode } from './exit.ts';

export class StartupError extends Error {
  readonly exit: ExitCode;

  constructor(message: string, exit: ExitCode = EXIT.refused) {
    super(message);
    this.exit = exit;
  }
}
