/** How an error ends the daemon: its exit code, and the sentence that names the place and the fix. */

import { LogFailed } from '../../log/damage.ts';
import { UnsupportedReducerVersion } from '../../projections/reducers.ts';
import { CommittedConflict } from '../../raft/follower.ts';
import { SnapshotWriteFailed } from '../disk/snapshot-store.ts';
import { StateDiffers } from '../node/roots.ts';
import type { Logger } from '../ports.ts';
import { EXIT, type ExitCode } from './exit.ts';
import type { HostPort } from './options.ts';
import { StartupError } from './startup-error.ts';

const CONFLICT_HINT =
  'the cluster has lost acknowledged entries: keep the data directories of all members, and follow ' +
  '"Committed entries that conflict" in docs/operating.md';

/** Writes why the daemon ends to its log: a sentence where there is one, else the stack. */
export function logFailure(error: Error, logger: Logger): void {
  const isConflict = error instanceof CommittedConflict;
  const isSentence = isConflict || error instanceof StartupError;
  logger.error('failed', {
    error: isSentence ? error.message : (error.stack ?? error.message),
    ...(isConflict ? { hint: CONFLICT_HINT } : {}),
  });
}

export function exitOf(error: Error): ExitCode {
  if (error instanceof StartupError) return isDiskFault(error) ? EXIT.disk : error.exit;
  if (error instanceof UnsupportedReducerVersion || error instanceof StateDiffers)
    return EXIT.corrupt;
  if (error instanceof CommittedConflict) return EXIT.conflict;
  return isDiskFault(error) ? EXIT.disk : EXIT.fault;
}

/** What the system, and LevelDB in words, say of a disk that cannot be written. */
const DISK_ERROR =
  /ENOSPC|EDQUOT|EIO|EROFS|No space left on device|quota exceeded|Read-only file system|Input\/output error/;

/** The same refusal with the exit code of the disk, or a sentence; null for any other error. */
export function diskStartupError(error: unknown, directory: string): StartupError | null {
  if (!(error instanceof Error)) return null;
  if (!isDiskFault(error)) return error instanceof StartupError ? error : null;
  if (error instanceof StartupError) return new StartupError(error.message, EXIT.disk);
  const reason = `${directory} cannot be written: ${error.message}.`;
  return new StartupError(`${reason} Free or repair the disk, then start again.`, EXIT.disk);
}

function isDiskFault(error: Error): boolean {
  const isFailedWrite = error instanceof LogFailed || error instanceof SnapshotWriteFailed;
  return isFailedWrite || DISK_ERROR.test(`${error.message} ${causesOf(error)}`);
}

function causesOf({ cause }: Error): string {
  return cause instanceof Error ? `${cause.message} ${causesOf(cause)}` : '';
}

export function listenError(flag: string, address: HostPort): (error: unknown) => never {
  return (error) => {
    // What the system says has a code; everything else is a sentence of ours.
    if ((error as NodeJS.ErrnoException).code === undefined) {
      throw new StartupError(`${flag}: ${(error as Error).message}.`);
    }
    throw new StartupError(addressTaken(flag, address, (error as Error).message));
  };
}

export function addressTaken(flag: string, { host, port }: HostPort, reason: string): string {
  return `${flag} ${host}:${port} cannot be listened on: ${reason}. Give another one with ${flag}.`;
}
