/** What Debian's `amtool check-config` says of configurations, as many at once as there are. */

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

export type Verdict =
  | { readonly kind: 'accepted' }
  | { readonly kind: 'refused'; readonly why: string }
  /** The process ended with a panic: a fault of amtool, which says nothing about the file. */
  | { readonly kind: 'crashed' };

export const hasAmtool = spawnSync('amtool', ['--version']).status === 0;

/** Files of one process; a panic ends it, and the rest goes to the next one. */
const BATCH = 400;

export function amtoolVerdicts(sources: readonly string[]): readonly Verdict[] {
  const folder = mkdtempSync(path.join(tmpdir(), 'tocsin-amtool-'));
  try {
    const files = sources.map((source, i) => {
      const file = path.join(folder, `${i}.yml`);
      writeFileSync(file, source);
      return file;
    });
    const verdicts: Verdict[] = [];
    while (verdicts.length < files.length) {
      verdicts.push(...checked(files.slice(verdicts.length, verdicts.length + BATCH)));
    }
    return verdicts;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** At least one verdict; fewer than `files` when amtool crashed, and then the last one says so. */
function checked(files: readonly string[]): readonly Verdict[] {
  const run = spawnSync('amtool', ['check-config', ...files], {
    encoding: 'utf8',
    maxBuffer: 64 * 1_024 * 1_024,
  });
  return run.stdout
    .split(/^Checking '[^']*'/m)
    .slice(1)
    .map((answer): Verdict => {
      const [, word, why = ''] = /^ {2}(SUCCESS|FAILED)(?:: ([^]*))?/.exec(answer) ?? [];
      if (word === 'SUCCESS') return { kind: 'accepted' };
      return word === 'FAILED' ? { kind: 'refused', why: why.trim() } : { kind: 'crashed' };
    });
}
