/**
 * How the log reports damage: a place, what is wrong there, and how to continue.
 *
 * Promise: every message names the file, the byte and the entry, and ends with what to do.
 */

/** Something in a file that no crash explains. */
export interface LogDamage {
  readonly file: string;
  /** Byte in the file; in a compressed segment, in what it unpacks to. */
  readonly offset: number;
  /** The first entry that may be damaged. */
  readonly index: number;
  /** Every entry up to here, as far as it was looked at, is intact. */
  readonly intactUpTo: number;
  readonly what: string;
}

/** Why a log was not opened. Nothing on disk was changed. */
export interface LogRefusal extends Omit<LogDamage, 'what'> {
  readonly code:
    | 'empty'
    | 'corrupt'
    | 'newer-format'
    | 'other-cluster'
    | 'other-node'
    /** The log is damaged and cannot be salvaged either. */
    | 'vote-unknown';
  readonly message: string;
}

/** Thrown by reads that meet a closed segment that was damaged since it was written. */
export class LogDamaged extends Error {
  readonly code = 'log-damaged';
  readonly damage: LogDamage;

  constructor(damage: LogDamage, directory: string) {
    super(damageMessage(damage, directory));
    this.name = 'LogDamaged';
    this.damage = damage;
  }
}

/**
 * Thrown by every append from the first disk error on: what the disk holds is now unknown, and
 * going on would acknowledge entries that a restart may not find. End the process.
 */
export class LogFailed extends Error {
  readonly code = 'log-failed';

  constructor(directory: string, lastIndex: number, cause: unknown) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    super(
      `the log in ${directory} could not be written: ${reason}. ` +
        `Entries up to ${lastIndex} are safe; nothing after them was acknowledged. ` +
        'Fix the disk (is it full?) and start again: recovery needs no help.',
      { cause },
    );
    this.name = 'LogFailed';
  }
}

export function damageMessage(damage: LogDamage, directory: string): string {
  return (
    `${directory}/${damage.file} is damaged at byte ${damage.offset}: ${damage.what}. ` +
    `Entries up to ${damage.intactUpTo} are intact, entry ${damage.index} is not to be trusted. ` +
    'No crash does this; suspect the disk or a copy that was cut short. The files were left as ' +
    'they are: keep them, and let this node rejoin empty or restore it from a backup.'
  );
}
