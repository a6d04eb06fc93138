/** What the stories of this folder share: a small file that is right, and short ways to read one. */

import type { Config } from '../../src/commands/config.ts';
import { problemText } from '../../src/io/config/problems.ts';
import { readConfig, type ReadConfigOptions } from '../../src/io/config/read.ts';

/** Four lines that are a whole configuration; stories add their lines below. */
export const BASE = `route: {receiver: team}
receivers:
  - name: team
    webhook_configs: [{url: 'http://hook.example.com/'}]
`;

const OPTIONS: ReadConfigOptions = { file: 'tocsin.yml', localZone: 'Europe/Berlin' };

/** The configuration of a file that must be right. */
export function configOf(source: string, options: Partial<ReadConfigOptions> = {}): Config {
  const read = readConfig(source, { ...OPTIONS, ...options });
  if (!read.ok) throw new Error(`refused:\n${read.problems.map(problemText).join('\n')}`);
  return read.command.config;
}

/** The printed problems of a file that must be wrong. */
export function problemsOf(source: string, options: Partial<ReadConfigOptions> = {}): string[] {
  const read = readConfig(source, { ...OPTIONS, ...options });
  if (read.ok) throw new Error(`accepted: ${read.summary}`);
  return read.problems.map(problemText);
}

/** The printed warnings of a file that must be right. */
export function warningsOf(source: string): string[] {
  const read = readConfig(source, OPTIONS);
  if (!read.ok) throw new Error(`refused:\n${read.problems.map(problemText).join('\n')}`);
  return read.warnings.map(problemText);
}
