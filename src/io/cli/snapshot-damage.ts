/**
 * Damage gathered by what caused it: one flipped bit may cost hundreds of pages in every snapshot,
 * and is still one thing to say.
 */

/** Pages of one snapshot that were lost with one thing, as the JSON outputs have it. */
export interface Damage {
  /** What is wrong with each of them, a predicate. */
  readonly fault: string;
  readonly pages: number;
  /** The first of them, `path chunk`. */
  readonly examples: readonly string[];
}

/** A page that cannot be read. */
export interface LostPage {
  readonly path: string;
  readonly hash: string;
  readonly fault: string;
}

const EXAMPLES_MAX = 5;

/** Groups the pages of one snapshot. */
export function damageOf(lost: readonly LostPage[]): readonly Damage[] {
  const groups = new Map<string, LostPage[]>();
  for (const page of lost) {
    const key = withoutPlace(page.fault);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [page]);
    else group.push(page);
  }
  return [...groups].map(([fault, pages]) => ({
    fault,
    pages: pages.length,
    examples: pages.slice(0, EXAMPLES_MAX).map(({ path, hash }) => `${path} ${hash}`),
  }));
}

/** What shares a cause differs only in where its own bytes are. */
function withoutPlace(fault: string): string {
  return fault.replace(/, at byte \d+/, '');
}

interface Cause {
  /** A sentence about the first that was found. */
  readonly first: string;
  /** Chunks, or manifests, by their keys. */
  readonly things: Set<string>;
  readonly snapshots: Set<number>;
  readonly noun: 'page' | 'manifest';
}

/** Causes that are said; a store that is all rotten has one for each of its files. */
const LINES_MAX = 20;

export class DamageReport {
  readonly #causes = new Map<string, Cause>();
  readonly #sentences: string[] = [];

  get isEmpty(): boolean {
    return this.#causes.size === 0 && this.#sentences.length === 0;
  }

  /** Damage of the store as a whole. */
  addSentence(sentence: string): void {
    this.#sentences.push(sentence);
  }

  addPage(snapshot: number, { path, hash, fault }: LostPage): void {
    const first = `page ${path}, chunk ${hash}, ${fault}`;
    this.#add({ noun: 'page', fault, first, thing: `${path} ${hash}`, snapshot });
  }

  /** A manifest that cannot be used; `problem` begins with its snapshot. */
  addManifest(snapshot: number, problem: string): void {
    const fault = problem.slice(problem.indexOf(':') + 1);
    this.#add({ noun: 'manifest', fault, first: problem, thing: String(snapshot), snapshot });
  }

  /** A line for each cause, with how much was lost with it. */
  lines(): readonly string[] {
    const lines = [...this.#sentences, ...[...this.#causes.values()].map(causeText)];
    const more = lines.length - LINES_MAX;
    const shown = lines.slice(0, LINES_MAX).map((line) => `damaged: ${line}`);
    return more > 0 ? [...shown, `damaged: and ${more} more of such kinds`] : shown;
  }

  #add(one: {
    readonly noun: Cause['noun'];
    readonly fault: string;
    readonly first: string;
    readonly thing: string;
    readonly snapshot: number;
  }): void {
    const key = `${one.noun} ${withoutPlace(one.fault)}`;
    let cause = this.#causes.get(key);
    if (cause === undefined) {
      const { first, noun } = one;
      this.#causes.set(key, (cause = { first, noun, things: new Set(), snapshots: new Set() }));
    }
    cause.things.add(one.thing);
    cause.snapshots.add(one.snapshot);
  }
}

function causeText({ first, noun, things, snapshots }: Cause): string {
  const more = things.size - 1;
  const others = more === 0 ? '' : `, and ${more} more ${noun}${more === 1 ? '' : 's'} with it`;
  return `${first}${others} (${snapshotsText([...snapshots])})`;
}

/** `in snapshot 12`, `in 2 snapshots: 12 to 14`. */
function snapshotsText(indexes: readonly number[]): string {
  const [first = 0] = indexes;
  if (indexes.length === 1) return `in snapshot ${first}`;
  // Not spread: arguments are limited, indexes here are not.
  const low = indexes.reduce((min, index) => Math.min(min, index), first);
  const high = indexes.reduce((max, index) => Math.max(max, index), first);
  return `in ${indexes.length} snapshots: ${low} to ${high}`;
}
