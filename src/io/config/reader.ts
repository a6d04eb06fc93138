/**
 * What the sections of the file share while it is read: the parsed text, the options, and the
 * problems and warnings found so far.
 *
 * Promise: reading goes on after a problem, so that a file's problems are all reported at once.
 */

import type { z } from 'zod';
import { labelFields, type LabelFields } from './label-fields.ts';
import { didYouMean } from './nearest.ts';
import { byPlace, pathText, type Path, type Problem } from './problems.ts';
import {
  parseYaml,
  type Fault,
  type Fields,
  type ParsedYaml,
  type Place,
  type Value,
} from './yaml.ts';
import { isFields } from './fields.ts';

/** A broken file repeats itself; nobody reads more than this. */
const PROBLEMS_MAX = 200;

export class Reader {
  readonly file: string;
  readonly labels: LabelFields;
  /** The sections of the file; empty when it cannot be read at all. */
  readonly sections: Fields;
  readonly #yaml: ParsedYaml;
  readonly #problems: Problem[] = [];
  readonly #warnings: Problem[] = [];

  constructor(
    source: string,
    options: { file: string; classicNames: boolean; emptyHint?: string },
  ) {
    this.file = options.file;
    this.labels = labelFields(options.classicNames);
    this.#yaml = parseYaml(source);
    for (const fault of this.#yaml.faults) this.#problems.push(this.#ofFault(fault));
    for (const oddity of this.#yaml.oddities) this.#warnings.push(this.#ofFault(oddity));
    this.sections = isFields(this.#yaml.root) ? this.#yaml.root : {};
    if (this.#yaml.root !== this.sections && this.#problems.length === 0) {
      const empty = this.#yaml.root === null;
      this.problem(
        [],
        empty ? 'the file is empty' : 'the file must be a map of sections',
        options.emptyHint ?? ROUTE_HINT,
      );
    }
  }

  /** Problems in the order of the text. */
  get problems(): readonly Problem[] {
    return this.#problems.toSorted(byPlace).slice(0, PROBLEMS_MAX);
  }

  get warnings(): readonly Problem[] {
    return this.#warnings.toSorted(byPlace);
  }

  /** The value as `schema` reads it, or undefined after its problems have been noted. */
  read<T>(schema: z.ZodType<T>, value: Value | undefined, path: Path): T | undefined {
    const result = schema.safeParse(value);
    if (result.success) return result.data;
    for (const issue of result.error.issues) this.#issue(issue, path);
    return undefined;
  }

  /** The items of a list that may be absent, with their places. */
  items(value: Value | undefined, path: Path): readonly (readonly [Value, Path])[] {
    if (value === undefined || value === null) return [];
    if (Array.isArray(value))
      return (value as readonly Value[]).map((item, i) => [item, [...path, i]]);
    this.problem(path, 'must be a list', 'write [a, b] or one "- item" a line');
    return [];
  }

  placeOf(path: Path): Place {
    return this.#yaml.locate(path);
  }

  problem(path: Path, message: string, hint = ''): void {
    const place = this.#yaml.locate(path);
    this.#problems.push({ file: this.file, ...place, path: pathText(path), message, hint });
  }

  warning(path: Path, message: string, hint = ''): void {
    const place = this.#yaml.locateKey(path);
    this.#warnings.push({ file: this.file, ...place, path: pathText(path), message, hint });
  }

  unknownKey(path: Path, key: string, known: readonly string[]): void {
    const at = [...path, key];
    const hint = didYouMean(key, known) || `known keys: ${known.join(', ')}`;
    const place = this.#yaml.locateKey(at);
    const message = 'unknown key';
    this.#problems.push({ file: this.file, ...place, path: pathText(at), message, hint });
  }

  #issue(issue: z.core.$ZodIssue, path: Path): void {
    const at = [...path, ...(issue.path as Path)];
    if (issue.code === 'unrecognized_keys') {
      const known = issue.message.split(' ');
      for (const key of issue.keys) this.unknownKey(at, key, known);
      return;
    }
    const params: { readonly hint?: string } = issue.code === 'custom' ? (issue.params ?? {}) : {};
    this.problem(at, issue.message, params.hint);
  }

  #ofFault(fault: Fault): Problem {
    const { message, hint } = fault;
    return { file: this.file, ...this.#yaml.placeOf(fault.at), path: '', message, hint };
  }
}

/** The smallest configuration that notifies somebody. */
export const ROUTE_HINT =
  "add at least: route: {receiver: team} and receivers: [{name: team, webhook_configs: [{url: 'http://host/path'}]}]";
