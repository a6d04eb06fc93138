/**
 * Regular expressions and what they cost: RE2 has no backtracking, but its work is still the
 * product of the compiled size and the length of the text.
 *
 * Promise: {@link expressionFault} refuses before it compiles what is too large to compile, and
 * names the limit (`LIMITS.expression…`). Only inputs ask it: what is stored already is compiled as
 * it is. Pure.
 */

import { RE2JS } from 're2js';
import { LIMITS } from '../commands/limits.ts';
import type { Matcher } from '../commands/matchers.ts';

/** Why an expression is refused, or null. */
export function expressionFault(expression: string): string | null {
  const fault = sizeFault(expression);
  if (fault !== null) return fault;
  try {
    return stepsFault(stepsOf(expression));
  } catch (error) {
    return (error as Error).message.replace('error parsing regexp: ', '');
  }
}

/** Why the expressions of a list, each of which is good by itself, are refused together, or null. */
export function listFault(matchers: readonly Matcher[]): string | null {
  let steps = 0;
  for (const { op, value } of matchers) {
    if (op === '=~' || op === '!~') steps += stepsOf(value);
  }
  return stepsFault(steps);
}

/** The compiled expression; the last ones are kept, because several readers ask for the same. */
export function compiledExpression(expression: string): RE2JS {
  return kept(expression).compiled;
}

/** Whether an expression was refused because it is over a limit, and not because it is none. */
export function isOverLimit(fault: string): boolean {
  return /\bit (?:has|compiles to|takes) over \d+ (?:characters: use|instructions|steps)/.test(
    fault,
  );
}

function sizeFault(expression: string): string | null {
  if (expression.length > LIMITS.expression) {
    return `it has over ${LIMITS.expression} characters: use several shorter ones`;
  }
  return writtenOutSize(expression) > LIMITS.expressionSize
    ? `it compiles to over ${LIMITS.expressionSize} instructions: repeat less, or use shorter ones`
    : null;
}

function stepsFault(steps: number): string | null {
  if (steps <= LIMITS.expressionSteps) return null;
  return (
    `it takes over ${LIMITS.expressionSteps} steps on a value of ${LIMITS.matchedText} characters: ` +
    'use smaller repeats, or fewer alternatives after .*'
  );
}

interface Kept {
  readonly compiled: RE2JS;
  /** Counted when an input asks for it. */
  steps?: number;
}

const KEPT_MAX = 64;
const last = new Map<string, Kept>();

function kept(expression: string): Kept {
  const known = last.get(expression);
  if (known !== undefined) return known;
  const fresh: Kept = { compiled: RE2JS.compile(expression) };
  const [oldest] = last.keys();
  if (last.size >= KEPT_MAX && oldest !== undefined) last.delete(oldest);
  last.set(expression, fresh);
  return fresh;
}

function stepsOf(expression: string): number {
  const found = kept(expression);
  return (found.steps ??= countedSteps(found.compiled));
}

/** A class of Unicode, which has some hundred ranges, counts like so many literals. */
const UNICODE_CLASS = 16;

/** A quantifier, which takes the compiler as long as so many literals. */
const QUANTIFIER = 8;

const REPEAT = /\{(\d+)(,?)(\d*)\}/y;

/**
 * About how many instructions an expression compiles to, found without compiling it. Never far
 * below: what cannot be read counts as literal text, and the compiler refuses it later.
 */
function writtenOutSize(expression: string): number {
  const open: number[] = [];
  let size = 0;
  let atom = 0;
  let at = 0;
  const add = (weight: number): void => {
    atom = weight;
    size += weight;
  };
  while (at < expression.length) {
    const char = expression.charAt(at);
    REPEAT.lastIndex = at;
    const repeat = char === '{' ? REPEAT.exec(expression) : null;
    if (repeat !== null) {
      const [all, least = '', , most = ''] = repeat;
      const copies = Math.max(1, Number(least), Number(most));
      size += atom * (copies - 1);
      atom *= copies;
      at += all.length;
      continue;
    }
    at++;
    if (char === '(') {
      open.push(size);
      atom = 0;
    } else if (char === ')') {
      const before = open.pop() ?? 0;
      size += 2;
      atom = size - before;
    } else if (char === '\\') {
      const [weight, length] = escapeAt(expression, at);
      add(weight);
      at += length;
    } else if (char === '[') {
      const end = classEnd(expression, at);
      const inner = expression.slice(at, end);
      add(1 + inner.length / 8 + UNICODE_CLASS * (inner.match(/\\[pP]/g)?.length ?? 0));
      at = end;
    } else if (char === '*' || char === '+' || char === '?') {
      size += QUANTIFIER;
      atom += QUANTIFIER;
    } else {
      add(1);
    }
  }
  return size;
}

/** Weight and length of what follows a backslash. */
function escapeAt(expression: string, at: number): readonly [weight: number, length: number] {
  const char = expression.charAt(at);
  const braced = /[pPx]\{[^}]*\}/y;
  braced.lastIndex = at;
  const weight = char === 'p' || char === 'P' ? UNICODE_CLASS : 1;
  const length = braced.exec(expression)?.[0].length ?? (weight > 1 ? 2 : 1);
  return [weight, length];
}

/** Where a class ends whose inside begins at `at`; the end of the text when it is never closed. */
function classEnd(expression: string, at: number): number {
  let end = at;
  if (expression[end] === '^') end++;
  if (expression[end] === ']') end++;
  while (end < expression.length && expression[end] !== ']') {
    if (expression[end] === '\\') end++;
    else if (expression.startsWith('[:', end)) end = afterName(expression, end);
    end++;
  }
  return Math.min(end + 1, expression.length);
}

function afterName(expression: string, at: number): number {
  const close = expression.indexOf(':]', at);
  return close < 0 ? at : close + 1;
}

/** The codes of re2js for an instruction. Every other one goes on at `out` without a character. */
const ALT = 1;
const ALT_MATCH = 2;
const FAIL = 5;
const MATCH = 6;
const RUNE = 8;
const RUNE_ANY_NOT_NL = 11;

interface Instruction {
  readonly op: number;
  readonly out: number;
  readonly arg: number;
}

/**
 * How many instructions a matcher that looks at all threads runs over a text of the longest length
 * of which every character suits every class: no real text takes more. Counting ends above the limit.
 */
function countedSteps(compiled: RE2JS): number {
  const program = compiled.re2().prog;
  const instructions = program.inst as readonly Instruction[];
  const seenAt = new Int32Array(instructions.length).fill(-1);
  let threads: number[] = [];
  let steps = 0;
  const follow = (from: number, time: number, next: number[]): void => {
    const stack = [from];
    for (let pc = stack.pop(); pc !== undefined; pc = stack.pop()) {
      const instruction = instructions[pc];
      if (instruction === undefined || seenAt[pc] === time) continue;
      seenAt[pc] = time;
      steps++;
      const { op, out, arg } = instruction;
      if (op >= RUNE && op <= RUNE_ANY_NOT_NL) next.push(out);
      else if (op === ALT || op === ALT_MATCH) stack.push(arg, out);
      else if (op !== FAIL && op !== MATCH) stack.push(out);
    }
  };
  follow(program.start, 0, threads);
  for (let time = 1; time <= LIMITS.matchedText && threads.length > 0; time++) {
    const next: number[] = [];
    const before = steps;
    for (const thread of threads) follow(thread, time, next);
    if (steps > LIMITS.expressionSteps) return steps;
    if (sameThreads(threads, next)) return steps + (LIMITS.matchedText - time) * (steps - before);
    threads = next;
  }
  return steps;
}

function sameThreads(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((thread, i) => thread === b[i]);
}
