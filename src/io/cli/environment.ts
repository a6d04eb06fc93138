/**
 * The environment variables of flags: `--data-dir` is TOCSIN_DATA_DIR.
 *
 * Promise: one rule for all commands. A variable that is empty, or blank, is not set: docker compose
 * and Kubernetes pass the empty text for what nobody has set. A switch is off for `false` and the like.
 */

import type { Option } from 'commander';

const PREFIX = 'TOCSIN_';

/** Takes empty variables away before anything reads them. Call it once, before commands are made. */
export function forgetEmptyVariables(environment: NodeJS.ProcessEnv): void {
  for (const [name, value] of Object.entries(environment)) {
    if (name.startsWith(PREFIX) && value?.trim() === '') delete environment[name];
  }
}

/** Gives a flag its variable. */
export function env(option: Option): Option {
  return option.env(variableOf(option));
}

/** Commander takes any variable that is set for a yes, and `TOCSIN_SHADOW=false` must not be one. */
export function toggle(option: Option): Option {
  const off = option.default(false);
  return /^\s*(?:0|false|n|no|off)\s*$/i.test(process.env[variableOf(option)] ?? '')
    ? off
    : env(off);
}

function variableOf(option: Option): string {
  return PREFIX + option.attributeName().replace(/[A-Z]/g, '_$&').toUpperCase();
}
