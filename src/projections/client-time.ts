/**
 * Times that clients send, against log time.
 *
 * Promise: rows keep such times as they were sent, with how far the clock by which they are meant was
 * ahead of log time when they were accepted. Whoever compares one with the time of an entry asks here.
 */

/** A row with times by the clock of a client; without the field by log time itself. */
export interface ByClientClock {
  readonly offsetMs?: number;
}

/** When a time of the row comes, in log time; 0 stays "not set". */
export function logTimeOf(sent: number, { offsetMs = 0 }: ByClientClock): number {
  return sent === 0 ? 0 : sent - offsetMs;
}

/** A log time as the clock of the row shows it. */
export function clientTimeOf(at: number, { offsetMs = 0 }: ByClientClock): number {
  return at + offsetMs;
}

/** The field, where there is something to say. */
export function byClientClock(offsetMs: number | undefined): ByClientClock {
  return offsetMs === undefined || offsetMs === 0 ? {} : { offsetMs };
}
