/**
 * Checks the arrows of docs/ARCHITECTURE.md: `node scripts/check-arrows.mjs [ROOT]`.
 *
 * Promise: it fails on a forbidden import, and it fails when the cruise did not see every .ts file
 * under src/. The second matters as much: with a compiler it does not understand,
 * dependency-cruiser reports "no violations" over no modules and calls it a success.
 */

import { readdirSync } from 'node:fs';
import path from 'node:path';
import { cruise } from 'dependency-cruiser';
import rules from '../.dependency-cruiser.cjs';

process.chdir(process.argv[2] ?? path.dirname(import.meta.dirname));

const { modules, violations } = await cruiseSources();
const cruised = new Set(modules.filter((name) => /^src\/.*\.ts$/.test(name)));
const onDisk = readdirSync('src', { recursive: true })
  .filter((name) => name.endsWith('.ts'))
  .map((name) => `src/${name.replaceAll(path.sep, '/')}`);
const unseen = onDisk.filter((name) => !cruised.has(name));

for (const { rule, from, to } of violations) {
  console.error(`${from} → ${to}\n  ${rule.name}: ${commentOn(rule)}`);
}
for (const name of unseen) {
  console.error(`${name}\n  was not cruised, so nothing checked its imports`);
}
console.log(
  `arrows: ${cruised.size} modules cruised, ${onDisk.length} .ts files under src, ` +
    `${violations.length} forbidden imports`,
);
const sawAll = unseen.length === 0 && cruised.size === onDisk.length && onDisk.length > 0;
process.exitCode = sawAll && violations.length === 0 ? 0 : 1;

/** The two things asked of dependency-cruiser: what it saw, and what it refused. */
async function cruiseSources() {
  const { enhancedResolveOptions, ...options } = rules.options;
  const { output } = await cruise(
    ['src'],
    { ...options, validate: true, ruleSet: { forbidden: rules.forbidden } },
    enhancedResolveOptions,
  );
  return {
    modules: output.modules.map((module) => module.source),
    violations: output.summary.violations,
  };
}

function commentOn({ name }) {
  return rules.forbidden.find((rule) => rule.name === name)?.comment ?? 'not allowed';
}
