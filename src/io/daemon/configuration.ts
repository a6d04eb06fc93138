/**
 * The configuration file of this process: reads it, and compares it with what the log has applied.
 *
 * Promise: a file with a problem changes nothing, and every problem is told with its place.
 */

import { createHash } from 'node:crypto';
import type { ApplyConfig } from '../../commands/config.ts';
import { labelPairs, labelsFrom } from '../../commands/labels.ts';
import { encodeBatch } from '../../log/codec.ts';
import { readsEmptyAnnotations } from '../../projections/reducers.ts';
import type { State } from '../../projections/state.ts';
import { readConfigFile } from '../config/file.ts';
import { problemText } from '../config/problems.ts';

export interface ConfigurationOptions {
  readonly file: string;
  readonly externalUrl: string | null;
  readonly classicNames: boolean;
}

export type ReadConfiguration =
  | { readonly ok: true; readonly command: ApplyConfig; readonly warnings: readonly string[] }
  | { readonly ok: false; readonly message: string };

export async function readConfiguration(options: ConfigurationOptions): Promise<ReadConfiguration> {
  const read = await readConfigFile(options);
  if (!read.ok) return { ok: false, message: read.problems.map(problemText).join('\n') };
  return {
    ok: true,
    command: { kind: 'config', ...read.command },
    warnings: read.warnings.map(problemText),
  };
}

/**
 * A configuration as every member can read it: annotations that are empty are left out while a member
 * may run the build before. In a new cluster none does.
 */
export function asReadBy(command: ApplyConfig, state: State): ApplyConfig {
  if (state.config === null || readsEmptyAnnotations(state)) return command;
  const checks = command.config.checks.map((check) => {
    return { ...check, annotations: labelsFrom(labelPairs(check.annotations)) };
  });
  return { ...command, config: { ...command.config, checks } };
}

/** Whether a configuration is, to the byte, the one that the log has applied. */
export function isApplied(command: ApplyConfig, state: State): boolean {
  if (state.config === null) return false;
  const applied = bytesOf({ kind: 'config', ...state.config.command });
  const wanted = bytesOf(command);
  return applied.length === wanted.length && applied.every((byte, i) => byte === wanted[i]);
}

const hashes = new WeakMap<ApplyConfig, string>();

/** Hex SHA-256 of what a file says: equal for equal configurations. */
export function configHash(command: ApplyConfig): string {
  // The node asks with every tick, and a file may be long.
  const entry = hashes.get(command);
  if (entry !== undefined) return entry;
  const hash = createHash('sha256').update(bytesOf(command)).digest('hex');
  hashes.set(command, hash);
  return hash;
}

function bytesOf(command: ApplyConfig): Uint8Array {
  return encodeBatch({ at: 0, commands: [command] });
}
