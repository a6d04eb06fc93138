/** How a time of the log is printed, by every tool that reads a recording or a snapshot. */

/** RFC 3339 in UTC with milliseconds, or `-` for 0, which stands for "not set". */
export function timeText(epochMs: number): string {
  return epochMs === 0 ? '-' : new Date(epochMs).toISOString();
}
