/**
 * What is wrong with a configuration file, and where: a {@link Problem} has the place in the text,
 * the place in the tree, a message, and a hint how to fix it.
 *
 * Promise: the printed form is one line that an editor can jump to. Independent of YAML.
 */

export interface Problem {
  /** The file as the user wrote it. */
  readonly file: string;
  /** From 1. */
  readonly line: number;
  /** From 1, in UTF-16 units. */
  readonly column: number;
  /** `receivers[0].webhook_configs[0].url`; empty when the whole file is meant. */
  readonly path: string;
  readonly message: string;
  /** How to fix it; empty when the message is enough. */
  readonly hint: string;
}

/** A place in the tree of the file: keys and list positions from the top. */
export type Path = readonly (string | number)[];

/** `tocsin.yml:12:17: route.receiver: there is no receiver "x" (hint: did you mean "y"?)` */
export function problemText(problem: Problem): string {
  const path = problem.path === '' ? '' : `${problem.path}: `;
  const hint = problem.hint === '' ? '' : ` (hint: ${problem.hint})`;
  return `${problem.file}:${problem.line}:${problem.column}: ${path}${problem.message}${hint}`;
}

export function pathText(path: Path): string {
  return path.reduce<string>((before, step) => {
    if (typeof step === 'number') return `${before}[${step}]`;
    if (!/^[\w-]+$/.test(step)) return `${before}[${JSON.stringify(step)}]`;
    return before === '' ? step : `${before}.${step}`;
  }, '');
}

/** In the order of the text. Problems at one place keep the order in which they were found. */
export function byPlace(a: Problem, b: Problem): number {
  return a.line - b.line || a.column - b.column;
}
