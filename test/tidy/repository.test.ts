/**
 * House rules that no compiler knows, over every file that is (or is about to be) under version
 * control.
 */

import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';

const root = path.resolve(import.meta.dirname, '../..');
const files = repositoryFiles();

describe('tidy: layout', () => {
  it('src has exactly five folders, and no file beside them', () => {
    const entries = readdirSync(path.join(root, 'src')).toSorted();
    expect(entries).toEqual(['commands', 'io', 'log', 'projections', 'raft']);
  });

  it('every source file begins by saying what it is', () => {
    const silent = textsOf(/^(src|bench|scripts)\/.*\.(ts|mjs)$/).filter(
      ({ text }) => !/^(#!.*\n)?\/\*\*/.test(text),
    );
    expect(namesOf(silent)).toEqual([]);
  });
});

describe('tidy: leftovers', () => {
  it('no test runs alone', () => {
    const alone = textsOf(/^test\/.*\.ts$/).filter(({ text }) =>
      /\b(it|test|describe)\.only\b/.test(text),
    );
    expect(namesOf(alone)).toEqual([]);
  });

  it('nothing waits to be fixed', () => {
    // Written so that this line does not find itself.
    const marker = /\b(FIX[M]E|XX[X]|HAC[K])\b/;
    const unfinished = textsOf(/\.(ts|mjs|cjs|md|ya?ml)$/).filter(({ text }) => marker.test(text));
    expect(namesOf(unfinished)).toEqual([]);
  });

  it('no file names a package registry or a folder of the machine it was written on', () => {
    // Where people and build machines keep their checkouts.
    const checkout = /(?<![\w.])\/(home|Users|root|work|workspace|builds|farm)\/[\w.]/;
    const registry = /registry\.(npm[j]s|yarn[p]kg)|deb\.debian\.or[g]/;
    const local = textsOf(/./).filter(({ text }) => checkout.test(text) || registry.test(text));
    expect(namesOf(local)).toEqual([]);
  });
});

describe('tidy: documents', () => {
  it('every Markdown file has one title', () => {
    const titles = textsOf(/\.md$/).map(({ name, text }) => [name, titlesIn(text)]);
    expect(titles.filter(([, count]) => count !== 1)).toEqual([]);
  });

  it('docs/ARCHITECTURE.md links every decision in docs/adr', () => {
    const architecture = read('docs/ARCHITECTURE.md');
    const adrs = files.filter((name) => /^docs\/adr\/.*\.md$/.test(name));
    const unlinked = adrs.filter((name) => !architecture.includes(`(${name.replace('docs/', '')}`));
    expect(unlinked).toEqual([]);
  });
});

interface RepositoryFile {
  readonly name: string;
  readonly text: string;
}

/** Tracked files and new ones that are not ignored, relative to the root. */
function repositoryFiles(): readonly string[] {
  const listing = execFileSync('git', ['ls-files', '-z', '-co', '--exclude-standard'], {
    cwd: root,
    encoding: 'utf8',
  });
  return listing.split('\0').filter((name) => name !== '' && existsSync(path.join(root, name)));
}

function textsOf(pattern: RegExp): readonly RepositoryFile[] {
  return files.filter((name) => pattern.test(name)).map((name) => ({ name, text: read(name) }));
}

function read(name: string): string {
  return readFileSync(path.join(root, name), 'utf8');
}

function namesOf(found: readonly RepositoryFile[]): readonly string[] {
  return found.map(({ name }) => name);
}

/** First-level headings outside of code blocks, where `#` starts a comment. */
function titlesIn(markdown: string): number {
  const prose = markdown.replaceAll(/^(```|~~~)[\s\S]*?^\1/gm, '');
  return prose.match(/^# /gm)?.length ?? 0;
}
