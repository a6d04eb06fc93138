/**
 * A configuration from the disk: reads the file, and looks whether its templates exist.
 *
 * Promise: what cannot be read is a problem with a hint, like any other; it never throws.
 */

import { open, readdir, type FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { LIMITS } from '../../commands/limits.ts';
import type { Problem } from './problems.ts';
import {
  readConfig,
  type ReadConfig,
  type ReadConfigOptions,
  type TemplatePattern,
} from './read.ts';

export async function readConfigFile(options: ReadConfigOptions): Promise<ReadConfig> {
  const text = await readConfigText(options.file, '--config');
  if (!text.ok) return { ok: false, problems: [text.problem] };
  const read = readConfig(text.value, options);
  if (!read.ok) return read;
  const missing = await missingTemplates(options.file, read.templates);
  return { ...read, warnings: [...read.warnings, ...missing] };
}

export type ConfigText =
  | { readonly ok: true; readonly value: string }
  | { readonly ok: false; readonly problem: Problem };

/** The text of a file that `flag` names. */
export async function readConfigText(file: string, flag: string): Promise<ConfigText> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(file, 'r');
    // One byte over the limit is enough, whatever size the file system reports.
    const buffer = new Uint8Array(LIMITS.configText + 1);
    const length = await readInto(handle, buffer);
    if (length > LIMITS.configText) {
      return problem(
        file,
        `is larger than ${LIMITS.configText} bytes`,
        'is it a configuration file?',
      );
    }
    const value = new TextDecoder('utf-8', { fatal: true }).decode(buffer.subarray(0, length));
    return { ok: true, value };
  } catch (error) {
    return unreadable(file, flag, error as NodeJS.ErrnoException);
  } finally {
    await handle?.close();
  }
}

async function readInto(handle: FileHandle, buffer: Uint8Array): Promise<number> {
  let length = 0;
  for (;;) {
    const { bytesRead } = await handle.read(buffer, length, buffer.length - length);
    length += bytesRead;
    if (bytesRead === 0 || length === buffer.length) return length;
  }
}

function unreadable(file: string, flag: string, error: NodeJS.ErrnoException): ConfigText {
  switch (error.code) {
    case 'ENOENT':
      return problem(file, 'there is no such file', `check the path given with ${flag}`);
    case 'EISDIR':
      return problem(file, 'is a folder, not a file', 'name the file in it');
    case 'EACCES':
      return problem(file, 'may not be read by this user', 'check its owner and mode');
    case 'ERR_ENCODING_INVALID_ENCODED_DATA':
      return problem(file, 'is not UTF-8', 'save it as UTF-8 text');
    default:
      return problem(file, `cannot be read: ${error.message}`, '');
  }
}

function problem(file: string, message: string, hint: string): ConfigText {
  return { ok: false, problem: { file, line: 1, column: 1, path: '', message, hint } };
}

async function missingTemplates(
  file: string,
  templates: readonly TemplatePattern[],
): Promise<Problem[]> {
  const missing: Problem[] = [];
  for (const { pattern, ...place } of templates) {
    if (await anyFileMatches(dirname(file), pattern)) continue;
    const message = `"${pattern}" matches no file`;
    const hint = 'the path is relative to the folder of the configuration file';
    missing.push({ file, ...place, message, hint });
  }
  return missing;
}

/** Wildcards may stand in the last component only, as Alertmanager documents it. */
async function anyFileMatches(folder: string, pattern: string): Promise<boolean> {
  const path = pattern.startsWith('/') ? pattern : join(folder, pattern);
  const slash = path.lastIndexOf('/');
  const expression = globExpression(path.slice(slash + 1));
  try {
    const names = await readdir(slash < 0 ? '.' : path.slice(0, slash + 1));
    return names.some((name) => expression.test(name));
  } catch {
    return false;
  }
}

/** `*` and `?` of a file name; everything else stands for itself. */
function globExpression(pattern: string): RegExp {
  const escaped = pattern.replace(/[.+^${}()|[\]\\]/g, '\\$&');
  return new RegExp(`^${escaped.replace(/\*+/g, '.*').replaceAll('?', '.')}$`, 's');
}
