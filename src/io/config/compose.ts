/**
 * YAML text as a document of the `yaml` library, with what makes that safe.
 *
 * Promise: nesting is bounded before anything recursive runs. The library's first pass keeps its
 * own stack, but its second one recurses, and near the end of the stack V8 ends the whole process
 * when it must compile a regular expression: a reload would end the daemon.
 */

import { Composer, isScalar, Parser, type CST, type Document, type LineCounter } from 'yaml';

/** Nesting of a real file is below 20. */
export const DEPTH_MAX = 100;

const OPTIONS = {
  // All scalars stay text.
  schema: 'failsafe',
  prettyErrors: false,
  // The library compares each key with each other one; the reader has a linear check.
  uniqueKeys: false,
} as const;

export type Composed =
  | { readonly ok: true; readonly documents: readonly Document[] }
  /** `tooDeepAt` is the offset of what is nested too deep. */
  | { readonly ok: false; readonly tooDeepAt: number };

/** The documents of the text, at least one, without empty ones after it; their `errors` are what is broken. */
export function composeYaml(source: string, lines?: LineCounter): Composed {
  const tokens = [...new Parser(lines?.addNewLine).parse(source)];
  const tooDeepAt = offsetTooDeep(tokens);
  if (tooDeepAt !== null) return { ok: false, tooDeepAt };
  const composer = new Composer(OPTIONS);
  const [first, ...rest] = composer.compose(tokens, true, source.length);
  const documents = first === undefined ? [] : [first, ...rest.filter(hasContent)];
  return { ok: true, documents };
}

/** A last line `---` begins a document of nothing, in which nothing is lost. */
function hasContent({ contents, errors }: Document): boolean {
  const isEmpty = contents === null || (isScalar(contents) && contents.value === '');
  return !isEmpty || errors.length > 0;
}

function offsetTooDeep(tokens: readonly CST.Token[]): number | null {
  let level: readonly CST.Token[] = tokens;
  for (let depth = 0; level.length > 0; depth++) {
    const first = level[0];
    if (depth > DEPTH_MAX && first !== undefined) return 'offset' in first ? first.offset : 0;
    level = level.flatMap(innerTokens);
  }
  return null;
}

function innerTokens(token: CST.Token): CST.Token[] {
  if (token.type === 'document') return token.value === undefined ? [] : [token.value];
  if (!('items' in token)) return [];
  return token.items.flatMap(({ key, value }: CST.CollectionItem) =>
    [key, value].filter((inner) => inner !== undefined && inner !== null),
  );
}
