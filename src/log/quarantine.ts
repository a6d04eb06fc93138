/**
 * The files of a damaged log that a salvage quarantined, under names that no log uses.
 *
 * Promise: they are never read, changed or removed here. They are for people, and they take space, so
 * the result of opening the log lists them.
 */

import type { ReadableDisk } from './disk.ts';
import { withFile } from './segment-file.ts';

/** One file that is kept for inspection only. */
export interface QuarantinedFile {
  readonly file: string;
  readonly bytes: number;
}

const NAME = /^damaged-\d+-/;

/** `damaged-8-0000000003-0000000000000101.log`: the segment that restarted the log, the old name. */
export function quarantineName(file: string, sequence: number): string {
  return `damaged-${sequence}-${file}`;
}

/** What was quarantined in this directory, and not removed since. */
export async function listQuarantined(disk: ReadableDisk): Promise<readonly QuarantinedFile[]> {
  const found: QuarantinedFile[] = [];
  for (const file of (await disk.list()).toSorted()) {
    if (!NAME.test(file)) continue;
    const bytes = await withFile(disk, file, (open) => open.size());
    if (bytes !== undefined) found.push({ file, bytes });
  }
  return found;
}
