/**
 * The lint rule of the pure folders: nothing that can differ between two runs with the same log.
 *
 * Promise: a clock, a timer, chance, a locale table, a Node module or any other window to the
 * machine is reported with the way out of it.
 * It does not know which folders are pure: .oxlintrc.json says where the rule applies.
 */

import { isBuiltin } from 'node:module';

const TIME = 'Time is data: take epoch milliseconds from the command or the caller.';
const TIMER = 'Return a deadline, and let io/ wait for it.';
const CHANCE = 'Take a seeded generator as a parameter.';
const WORLD = 'What can differ between two runs with the same log lives in io/.';
const BYTES = 'Use Uint8Array and DataView: Buffer belongs to Node.';
const TABLES =
  'Its answer depends on tables inside the Node binary: decide it in io/ and record it.';
const MEMORY = 'What the collector or another thread does differs between two runs.';
const FLOAT = 'Its last bits are left to the engine, so two Node versions may fold to two states.';

/** Global name → why not, and what instead. Only free names count: a parameter may be `event`. */
const globals = reasons([
  [TIME, 'Date performance'],
  [TIMER, 'setTimeout setInterval setImmediate clearTimeout clearInterval clearImmediate'],
  [TIMER, 'queueMicrotask'],
  [CHANCE, 'crypto Crypto CryptoKey SubtleCrypto'],
  [WORLD, 'process console globalThis global window self navigator require module exports'],
  [WORLD, '__dirname __filename WebAssembly Function eval fetch Request Response FormData'],
  [WORLD, 'AbortController AbortSignal Event EventTarget MessageChannel MessagePort'],
  [WORLD, 'BroadcastChannel WebSocket EventSource Worker localStorage sessionStorage'],
  [BYTES, 'Buffer Blob File'],
  [TABLES, 'Intl'],
  [MEMORY, 'WeakRef FinalizationRegistry SharedArrayBuffer Atomics'],
]);

/** Member of `Math` → why not. What IEEE 754 defines exactly (floor, sqrt, fround …) stays. */
const mathMembers = reasons([
  [CHANCE, 'random'],
  [FLOAT, 'sin cos tan asin acos atan atan2 sinh cosh tanh asinh acosh atanh'],
  [FLOAT, 'exp expm1 log log2 log10 log1p pow cbrt hypot'],
]);

/** Member of anything at all → why not: no type is needed to know these names. */
const members = reasons([
  [TABLES, 'toLocaleString toLocaleDateString toLocaleTimeString toLocaleLowerCase'],
  [TABLES, 'toLocaleUpperCase toLowerCase toUpperCase localeCompare normalize'],
]);

const LOOSE_MATH = 'Write Math.floor(…) in place: a Math in a variable hides Math.random.';

const noWorld = {
  create(context) {
    const report = (node, name, reason) => {
      if (reason !== undefined) context.report({ node, message: `No ${name} here. ${reason}` });
    };
    const reportModule = ({ source }) => {
      if (isBuiltin(source?.value ?? '')) report(source, `'${source.value}'`, WORLD);
    };
    const reportPower = (node) => {
      if (/^\*\*=?$/.test(node.operator)) report(node, '`**`', FLOAT);
    };

    return {
      'Program:exit'(program) {
        for (const { identifier } of freeReferences(context.sourceCode.getScope(program))) {
          report(identifier, identifier.name, globals.get(identifier.name));
          if (identifier.name === 'Math') reportMath(identifier, report);
        }
      },
      MemberExpression(node) {
        const name = memberName(node);
        report(node, name, members.get(name));
      },
      MetaProperty(node) {
        if (node.meta.name === 'import') report(node, 'import.meta', WORLD);
      },
      ImportDeclaration: reportModule,
      ImportExpression: reportModule,
      ExportNamedDeclaration: reportModule,
      ExportAllDeclaration: reportModule,
      BinaryExpression: reportPower,
      AssignmentExpression: reportPower,
    };
  },
};

/** oxlint loads a plugin by its default export. */
export default { meta: { name: 'pure' }, rules: { 'no-world': noWorld } };

function reasons(rows) {
  return new Map(rows.flatMap(([why, names]) => names.split(' ').map((name) => [name, why])));
}

/** References that no declaration of this file answers, so they reach a global. */
function freeReferences(scope) {
  const globalScope = scope.upper ?? scope;
  const declared = globalScope.variables.filter((variable) => variable.defs.length === 0);
  return [...globalScope.through, ...declared.flatMap((variable) => variable.references)];
}

function reportMath(identifier, report) {
  const { parent } = identifier;
  const name = parent.object === identifier ? memberName(parent) : undefined;
  if (name === undefined) report(identifier, 'loose Math', LOOSE_MATH);
  else report(parent, `Math.${name}`, mathMembers.get(name));
}

/** `a.b` and `a['b']` are b; `a[b]` has no name. */
function memberName({ property, computed }) {
  if (!computed) return property.name;
  return property.type === 'Literal' ? String(property.value) : undefined;
}
