/**
 * Graphite globs over series names, with tags: `servers.*.cpu.{user,system};dc=eu*`.
 *
 * Promise: matching takes time linear in name × pattern whatever the pattern, since patterns come
 * from people (backtracking matchers freeze on `*?*?*?`). A `*` stays within one dot-separated
 * part, as in Graphite. A pattern without tags matches only series without tags; a pattern with
 * tags matches series that have at least those.
 */

/** What takes one character of a name, or, for a star, any number of them. */
interface Step {
  readonly kind: 'char' | 'any' | 'star' | 'class';
  readonly char: string;
  readonly class: readonly (readonly [from: string, to: string])[];
  readonly negated: boolean;
}

/** One dot-separated part or tag value: alternatives of steps, since braces multiply. */
type Part = readonly (readonly Step[])[];

export interface Glob {
  /** The pattern as it was written. */
  readonly text: string;
  /** The series that a pattern without wildcards names, its tags sorted; else null. */
  readonly literal: string | null;
  readonly parts: readonly Part[];
  readonly tags: readonly { readonly name: string; readonly value: Part }[];
}

export type ParsedGlob =
  | { readonly ok: true; readonly glob: Glob }
  | { readonly ok: false; readonly message: string; readonly position: number };

/** Braces multiply: this bounds the product for one part. */
const ALTERNATIVES_MAX = 1_024;
/** Braces in braces: far more than people write, far less than the stack of a parser holds. */
const BRACE_DEPTH_MAX = 32;

export function parseGlob(text: string): ParsedGlob {
  try {
    return { ok: true, glob: new Parser(text).parse() };
  } catch (error) {
    if (!(error instanceof GlobError)) throw error;
    return { ok: false, message: error.message, position: error.position };
  }
}

/** Whether a series name, with its tags sorted by name, matches. */
export function globMatches(glob: Glob, series: string): boolean {
  const tagsAt = series.indexOf(';');
  if (tagsAt < 0 !== (glob.tags.length === 0)) return false;
  const path = tagsAt < 0 ? series : series.slice(0, tagsAt);
  const parts = glob.parts;
  let start = 0;
  for (let i = 0; i < parts.length; i++) {
    const dot = path.indexOf('.', start);
    const last = i === parts.length - 1;
    if (last !== dot < 0) return false;
    const end = last ? path.length : dot;
    const part = parts[i];
    if (part === undefined || !partMatches(part, path, start, end)) return false;
    start = end + 1;
  }
  return tagsAt < 0 || tagsMatch(glob, series.slice(tagsAt + 1));
}

function tagsMatch(glob: Glob, text: string): boolean {
  const values = new Map(
    text.split(';').map((tag) => {
      const equals = tag.indexOf('=');
      return [tag.slice(0, equals), tag.slice(equals + 1)] as const;
    }),
  );
  return glob.tags.every(({ name, value }) => {
    const found = values.get(name);
    return found !== undefined && partMatches(value, found, 0, found.length);
  });
}

function partMatches(part: Part, text: string, start: number, end: number): boolean {
  return part.some((steps) => stepsMatch(steps, text, start, end));
}

/**
 * Matches with one remembered star: when a later step fails, only the last star can take one more
 * character, because what an earlier star took is already enough for all that stands before it.
 */
function stepsMatch(steps: readonly Step[], text: string, start: number, end: number): boolean {
  let at = start;
  let step = 0;
  let starStep = -1;
  let starAt = 0;
  while (at < end) {
    const current = steps[step];
    if (current !== undefined && current.kind === 'star') {
      starStep = step++;
      starAt = at;
    } else if (current !== undefined && stepTakes(current, text[at] ?? '')) {
      step++;
      at++;
    } else if (starStep >= 0) {
      step = starStep + 1;
      at = ++starAt;
    } else {
      return false;
    }
  }
  while (steps[step]?.kind === 'star') step++;
  return step === steps.length;
}

function stepTakes(step: Step, char: string): boolean {
  switch (step.kind) {
    case 'char':
      return step.char === char;
    case 'any':
      return true;
    case 'class':
      return step.class.some(([from, to]) => from <= char && char <= to) !== step.negated;
    case 'star':
      return false;
  }
}

class GlobError extends Error {
  readonly position: number;

  constructor(message: string, position: number) {
    super(message);
    this.position = position;
  }
}

class Parser {
  readonly #text: string;
  #at = 0;
  /** What ends a part: the path is cut at dots, a tag's value may hold them. */
  #ends = '.;';
  #depth = 0;

  constructor(text: string) {
    this.#text = text;
  }

  parse(): Glob {
    const text = this.#text;
    if (text === '') throw new GlobError('a series pattern may not be empty', 0);
    if (/\s/.test(text)) throw new GlobError('a series pattern has no spaces', text.search(/\s/));
    const parts = [this.#part(this.#ends)];
    while (text[this.#at] === '.') {
      this.#at++;
      parts.push(this.#part(this.#ends));
    }
    const tags = this.#tags();
    return { text, literal: literalOf(parts, tags), parts, tags };
  }

  #tags(): Glob['tags'] {
    this.#ends = ';';
    const tags: { name: string; value: Part }[] = [];
    while (this.#text[this.#at] === ';') {
      const from = ++this.#at;
      const equals = this.#text.indexOf('=', from);
      if (equals <= from) throw new GlobError('a tag is written name=value', from);
      const name = this.#text.slice(from, equals);
      if (/[*?[\]{};]/.test(name)) throw new GlobError('a tag name has no wildcards', from);
      this.#at = equals + 1;
      tags.push({ name, value: this.#part(this.#ends) });
    }
    return tags;
  }

  /** Reads up to one of `ends` outside of braces and brackets. */
  #part(ends: string): Part {
    const from = this.#at;
    const part = this.#sequence(ends);
    if (this.#at === from) throw new GlobError('a part of the pattern is empty', from);
    return part;
  }

  #sequence(ends: string): Part {
    let alternatives: (readonly Step[])[] = [[]];
    for (;;) {
      const char = this.#text[this.#at];
      if (char === undefined || ends.includes(char)) return alternatives;
      const next = this.#item(char);
      if (alternatives.length * next.length > ALTERNATIVES_MAX) {
        throw new GlobError(`braces give over ${ALTERNATIVES_MAX} alternatives`, this.#at);
      }
      alternatives = alternatives.flatMap((before) => next.map((after) => [...before, ...after]));
    }
  }

  #item(char: string): Part {
    const at = this.#at++;
    switch (char) {
      case '*':
        return [[{ kind: 'star', char, class: [], negated: false }]];
      case '?':
        return [[{ kind: 'any', char, class: [], negated: false }]];
      case '[':
        return [[this.#class(at)]];
      case '{':
        return this.#braces(at);
      case ']':
      case '}':
        throw new GlobError(`'${char}' closes nothing`, at);
      default:
        if (this.#depth > 0 && this.#ends.includes(char)) {
          throw new GlobError(
            `'${char}' stands in braces: close them before it, or write two checks`,
            at,
          );
        }
        return [[{ kind: 'char', char, class: [], negated: false }]];
    }
  }

  #class(open: number): Step {
    const negated = this.#text[this.#at] === '!' || this.#text[this.#at] === '^';
    if (negated) this.#at++;
    const ranges: (readonly [string, string])[] = [];
    for (;;) {
      const from = this.#text[this.#at++];
      if (from === undefined) throw new GlobError("'[' is never closed", open);
      if (from === ']' && ranges.length > 0)
        return { kind: 'class', char: '', class: ranges, negated };
      if (from === ']') throw new GlobError("'[]' holds no character", open);
      const to = this.#text[this.#at + 1];
      if (this.#text[this.#at] === '-' && to !== undefined && to !== ']') {
        if (to < from) throw new GlobError(`the range ${from}-${to} is backwards`, this.#at);
        ranges.push([from, to]);
        this.#at += 2;
      } else {
        ranges.push([from, from]);
      }
    }
  }

  #braces(open: number): Part {
    if (++this.#depth > BRACE_DEPTH_MAX) {
      throw new GlobError(`braces stand over ${BRACE_DEPTH_MAX} deep in braces`, open);
    }
    const alternatives: (readonly Step[])[] = [];
    for (;;) {
      alternatives.push(...this.#sequence(',}'));
      const end = this.#text[this.#at++];
      if (end === undefined) throw new GlobError("'{' is never closed", open);
      if (alternatives.length > ALTERNATIVES_MAX) {
        throw new GlobError(`braces give over ${ALTERNATIVES_MAX} alternatives`, open);
      }
      if (end !== '}') continue;
      this.#depth--;
      return alternatives;
    }
  }
}

/** The series that parts and tags without wildcards name, spelled as it is stored; else null. */
function literalOf(parts: Glob['parts'], tags: Glob['tags']): string | null {
  const path = parts.map(literalPart);
  const byName = tags.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  const values = byName.map(({ value }) => literalPart(value));
  if (path.includes(null) || values.includes(null)) return null;
  return [path.join('.'), ...byName.map(({ name }, i) => `${name}=${values[i]}`)].join(';');
}

function literalPart(part: Part): string | null {
  const [steps = []] = part;
  if (part.length > 1 || steps.some((step) => step.kind !== 'char')) return null;
  return steps.map((step) => step.char).join('');
}
