/**
 * The text of a YAML file as a tree of plain values that remember where they stand.
 *
 * Promise: all that Go's YAML reader refuses is refused with its place (broken syntax, tabs,
 * duplicate keys, unknown anchors), and so is what it expands without end (alias bombs, cycles).
 * Scalars stay text, because what `on`, `5` or `09:00` means depends on the key that asks: Go
 * gives a text field the text and a flag field the YAML 1.1 truth. Merge keys (`<<`) are resolved.
 */

import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  Scalar as YamlScalar,
  type Document,
  type Node as YamlNode,
  type Pair,
  type YAMLError,
  type YAMLMap,
} from 'yaml';
import { composeYaml, DEPTH_MAX } from './compose.ts';
import type { Path } from './problems.ts';

/** A leaf of the tree. */
export class Scalar {
  readonly text: string;
  /** Written without quotes, so that it may mean a number or a flag. */
  readonly plain: boolean;

  constructor(text: string, plain: boolean) {
    this.text = text;
    this.plain = plain;
  }
}

/** A map without a prototype, so that a key called `__proto__` is only a key. */
export interface Fields {
  readonly [key: string]: Value;
}

export type Value = Scalar | readonly Value[] | Fields | null;

/** A problem of the text itself. `at` is an offset into it. */
export interface Fault {
  readonly at: number;
  readonly message: string;
  readonly hint: string;
}

export interface Place {
  readonly line: number;
  readonly column: number;
}

export interface ParsedYaml {
  /** Null for an empty file, or when there are faults. */
  readonly root: Value;
  readonly faults: readonly Fault[];
  /** Oddities that change nothing, such as an unknown tag. */
  readonly oddities: readonly Fault[];
  placeOf(offset: number): Place;
  /** The place of the value at `path`; of its key if there is no value; of what is nearest above. */
  locate(path: Path): Place;
  /** The place of the key at the end of `path`, or of what is nearest above. */
  locateKey(path: Path): Place;
}

/** Values that aliases may add: enough for any shared block, far too few for a bomb. */
const ALIASED_VALUES_MAX = 100_000;

export function parseYaml(text: string): ParsedYaml {
  const lines = new LineCounter();
  const composed = composeYaml(text, lines);
  const faults = [
    ...controlCharacter(text),
    ...(composed.ok ? syntaxFaults(composed.documents, lines) : [tooDeep(composed.tooDeepAt)]),
  ];
  const builder = new Builder();
  const document = composed.ok && faults.length === 0 ? composed.documents[0] : undefined;
  const root = document === undefined ? null : builder.build(document);
  const placeOf = (offset: number): Place => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  };
  return {
    root,
    faults: [...faults, ...builder.faults],
    oddities: document?.warnings.map(oddity) ?? [],
    placeOf,
    locate: (path) => placeOf(builder.offsetOf(root, path, 'value')),
    locateKey: (path) => placeOf(builder.offsetOf(root, path, 'key')),
  };
}

/** The text of a scalar; as `composeYaml` reads it, nothing else ever comes out of one. */
export function scalarText(node: YamlScalar): string {
  return typeof node.value === 'string' ? node.value : '';
}

/** Words of YAML 1.1 for "nothing", as Go reads them when they stand without quotes. */
const NULL_WORDS = new Set(['', '~', 'null', 'Null', 'NULL']);

const BINARY_TAG = 'tag:yaml.org,2002:binary';
/** Tags that make a quoted scalar mean what it would mean without quotes. */
const PLAIN_TAGS = /^tag:yaml\.org,2002:(?:bool|int|float|null)$/;

class Builder {
  readonly faults: Fault[] = [];
  readonly #anchors = new Map<string, YamlNode>();
  /** Offset of each value that has an identity. */
  readonly #valueAt = new WeakMap<object, number>();
  /** Offset of each key of a map. */
  readonly #keysAt = new WeakMap<object, Map<string, number>>();
  /** The alias that is being expanded, the outermost one of them. */
  #outerAlias: YamlNode | null = null;
  #aliasedValues = 0;
  #expandedTooFar = false;

  build(document: Document): Value {
    const value = document.contents === null ? null : this.#value(document.contents, 0);
    return this.faults.length > 0 ? null : value;
  }

  offsetOf(root: Value, path: Path, what: 'key' | 'value'): number {
    let value: Value | undefined = root;
    let offset = this.#offsetOfValue(root) ?? 0;
    for (const [i, step] of path.entries()) {
      const parent: Value = value;
      if (parent === null || parent instanceof Scalar) return offset;
      const keyAt = this.#keysAt.get(parent)?.get(String(step));
      value = (parent as Fields)[step];
      const last = i === path.length - 1;
      const valueAt = this.#offsetOfValue(value ?? null);
      offset = (last && what === 'key' ? (keyAt ?? valueAt) : (valueAt ?? keyAt)) ?? offset;
      if (value === undefined) return offset;
    }
    return offset;
  }

  #offsetOfValue(value: Value): number | undefined {
    return value === null ? undefined : this.#valueAt.get(value);
  }

  #value(node: unknown, depth: number): Value {
    if (isAlias(node)) return this.#aliased(node.source, node, depth);
    if (this.#outerAlias !== null && this.#expandsTooFar(depth)) return null;
    const anchor = (node as { anchor?: string } | null)?.anchor;
    if (anchor !== undefined) this.#anchors.set(anchor, node as YamlNode);
    if (isMap(node)) return this.#map(node, depth);
    if (isSeq(node)) {
      const items = node.items.map((item) => this.#value(item, depth + 1));
      return this.#placed(node, items);
    }
    return isScalar(node) ? this.#scalar(node) : null;
  }

  #aliased(name: string, node: YamlNode, depth: number): Value {
    const target = this.#anchors.get(name);
    if (target === undefined) {
      return this.#fault(
        node,
        `*${name} stands for an anchor that is not above it`,
        `add &${name}`,
      );
    }
    const outer = this.#outerAlias;
    this.#outerAlias = outer ?? node;
    const value = this.#value(target, depth + 1);
    this.#outerAlias = outer;
    return value;
  }

  /** Whether an alias has led too deep, which means a cycle, or to too many values: a bomb. */
  #expandsTooFar(depth: number): boolean {
    if (depth <= DEPTH_MAX && ++this.#aliasedValues <= ALIASED_VALUES_MAX) return false;
    if (!this.#expandedTooFar) {
      const message = 'this alias expands to too many values';
      this.faults.push({
        at: offsetOfNode(this.#outerAlias),
        message,
        hint: 'write the block out',
      });
    }
    this.#expandedTooFar = true;
    return true;
  }

  #scalar(node: YamlScalar): Value {
    const text = scalarText(node);
    const { tag } = node;
    if (tag === BINARY_TAG) {
      return this.#fault(node, 'the tag !!binary is not read here', 'write the text itself');
    }
    const isPlainText = (node.type ?? YamlScalar.PLAIN) === YamlScalar.PLAIN;
    const plain = tag === undefined ? isPlainText : PLAIN_TAGS.test(tag);
    if (plain && NULL_WORDS.has(text)) return null;
    return this.#placed(node, new Scalar(text, plain));
  }

  #map(node: YAMLMap, depth: number): Value {
    const own: Record<string, Value> = Object.create(null) as Record<string, Value>;
    const merged: Value[] = [];
    const keysAt = new Map<string, number>();
    for (const pair of node.items) {
      const key = this.#key(pair, keysAt);
      if (key === null) continue;
      const value = this.#value(pair.value, depth + 1);
      if (key === '<<' && isPlain(pair.key))
        merged.push(...(Array.isArray(value) ? (value as Value[]) : [value]));
      else own[key] = value;
    }
    for (const other of merged) this.#merge(node, other, own, keysAt);
    this.#keysAt.set(own, keysAt);
    return this.#placed(node, own);
  }

  /** The text of a key, or null with a fault when it is none or stands twice. */
  #key(pair: Pair, keysAt: Map<string, number>): string | null {
    const key = isAlias(pair.key) ? this.#anchors.get(pair.key.source) : pair.key;
    if (!isScalar(key)) {
      const hint = 'put quotes around a value that starts with { or [';
      this.#fault(pair.key, 'a key must be plain text', hint);
      return null;
    }
    if (key.anchor !== undefined) this.#anchors.set(key.anchor, key);
    const name = scalarText(key);
    if (keysAt.has(name)) {
      this.#fault(key, `the key "${name}" stands twice in one map`, 'keep one of them');
      return null;
    }
    keysAt.set(name, key.range?.[0] ?? 0);
    return name;
  }

  /** Takes over the fields of a `<<` that the map does not have itself. */
  #merge(
    at: YamlNode,
    other: Value,
    own: Record<string, Value>,
    keysAt: Map<string, number>,
  ): void {
    if (other === null || other instanceof Scalar || Array.isArray(other)) {
      this.#fault(at, '"<<" takes a map or a list of maps', '');
      return;
    }
    for (const [key, value] of Object.entries(other as Fields)) {
      if (key in own) continue;
      own[key] = value;
      keysAt.set(key, this.#keysAt.get(other)?.get(key) ?? 0);
    }
  }

  #placed<T extends object>(node: YamlNode, value: T): T {
    this.#valueAt.set(value, node.range?.[0] ?? 0);
    return value;
  }

  #fault(node: unknown, message: string, hint = ''): null {
    // What an alias stands for was judged where it is written.
    if (this.#outerAlias === null) this.faults.push({ at: offsetOfNode(node), message, hint });
    return null;
  }
}

function isPlain(key: unknown): boolean {
  return isScalar(key) && (key.type ?? YamlScalar.PLAIN) === YamlScalar.PLAIN;
}

function offsetOfNode(node: unknown): number {
  return (node as { range?: readonly number[] | null } | null)?.range?.[0] ?? 0;
}

/** One fault a line: what follows on the same line is nearly always its consequence. */
function syntaxFaults(documents: readonly Document[], lines: LineCounter): Fault[] {
  const [first, second] = documents;
  const seen = new Set<number>();
  const faults = (first?.errors ?? []).flatMap((error) => {
    const { line } = lines.linePos(error.pos[0]);
    if (seen.has(line)) return [];
    seen.add(line);
    return [syntaxFault(error)];
  });
  if (second === undefined) return faults;
  return [
    ...faults,
    {
      at: second.range?.[0] ?? 0,
      message: 'a second document starts here',
      hint: 'a configuration is one document: remove the line --- and merge the parts',
    },
  ];
}

/** Go refuses a file with control characters; most come from a terminal or from another encoding. */
function controlCharacter(text: string): Fault[] {
  // eslint-disable-next-line no-control-regex -- these are the characters that are looked for.
  const found = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u0084\u0086-\u009f\ufffe\uffff]/;
  const at = text.search(found);
  if (at < 0) return [];
  const code = text.charCodeAt(at).toString(16).toUpperCase().padStart(4, '0');
  return [{ at, message: `a control character stands here, U+${code}`, hint: 'remove it' }];
}

function tooDeep(at: number): Fault {
  return { at, message: `values are nested over ${DEPTH_MAX} deep`, hint: '' };
}

function oddity(warning: YAMLError): Fault {
  return { at: warning.pos[0], message: `${warning.message}: the tag is ignored`, hint: '' };
}

function syntaxFault(error: YAMLError): Fault {
  const at = error.pos[0];
  switch (error.code) {
    case 'TAB_AS_INDENT':
      return { at, message: 'a tab is used as indentation', hint: 'indent with spaces' };
    case 'BLOCK_AS_IMPLICIT_KEY':
      return {
        at,
        message: 'a second ": " stands on one line',
        hint: 'put the value in quotes, or start a new line',
      };
    case 'BAD_SCALAR_START':
      return { at, message: lowerFirst(error.message), hint: 'put the value in quotes' };
    case 'UNEXPECTED_TOKEN':
      return {
        at,
        message: `broken YAML: ${lowerFirst(error.message)}`,
        hint: 'check the indentation and the quotes of this line and the one before',
      };
    case 'MISSING_CHAR':
      return {
        at,
        message: `broken YAML: ${lowerFirst(error.message)}`,
        hint: 'put a value that holds quotes or brackets into single quotes',
      };
    case 'BAD_INDENT':
      return {
        at,
        message: `broken YAML: ${lowerFirst(error.message)}`,
        hint: 'close the bracket, or indent the lines inside it',
      };
    default:
      return { at, message: `broken YAML: ${lowerFirst(error.message)}`, hint: '' };
  }
}

function lowerFirst(text: string): string {
  return text.slice(0, 1).toLowerCase() + text.slice(1);
}
