/** Puts known bugs into copies of sources: what the tests that test the tests are made of. */

import ts from 'typescript';

/** One change of a text. `was` must be there exactly once, so that a bug cannot quietly stop being one. */
export interface Edit {
  readonly was: string;
  readonly becomes: string;
}

/** The text with the change in it. Throws when there is another number of places for it than one. */
export function broken(text: string, name: string, { was, becomes }: Edit): string {
  const [before, after, more] = text.split(was);
  if (before === undefined || after === undefined || more !== undefined) {
    throw new Error(`bug "${name}": its text is not there exactly once; write the bug anew`);
  }
  return `${before}${becomes}${after}`;
}

/** What Node runs of a TypeScript source; types are nobody's business here. */
export function compiled(text: string): string {
  const { outputText } = ts.transpileModule(text, {
    compilerOptions: {
      target: ts.ScriptTarget.ES2023,
      module: ts.ModuleKind.ESNext,
      rewriteRelativeImportExtensions: true,
      verbatimModuleSyntax: true,
    },
  });
  return outputText;
}
