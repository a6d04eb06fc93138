/** Injects mutants (known bugs) into copies of sources. */

import ts from 'typescript';

/** One change of a text. `was` must be there exactly once, so that no mutant becomes a no-op. */
export interface Edit {
  readonly was: string;
  readonly becomes: string;
}

/** The text with the change in it. Throws when there is another number of places for it than one. */
export function broken(text: string, name: string, { was, becomes }: Edit): string {
  const [before, after, more] = text.split(was);
  if (before === undefined || after === undefined || more !== undefined) {
    throw new Error(
      `mutant "${name}": its text does not occur exactly once; adapt its "was" in mutants.ts`,
    );
  }
  return `${before}${becomes}${after}`;
}

/** The JavaScript of a TypeScript source, without a check of types. */
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
