/**
 * Label sets: a flat list `[name, value, name, value, …]`, sorted by name, no name twice and no
 * empty value (an empty value is the same as an absent label, as in Prometheus). Annotations are
 * such a list, too, but an empty one is there: receivers read it.
 *
 * Promise: equal sets are equal lists, so they hash alike everywhere; a label called `__proto__`
 * is only text. A list is used because a plain object would make that label special.
 */

import { LIMITS } from './limits.ts';
import { failedWithin, MalformedCommand, text, type Schema } from './schema.ts';

export type Labels = readonly string[];

type LabelPair = readonly [name: string, value: string];

/** Makes a label set from pairs in any order; a later pair wins over an earlier one. */
export function labelsFrom(pairs: Iterable<LabelPair>): Labels {
  return labelsFromList(flatList(pairs));
}

/** The same for annotations, which keep those whose value is empty. */
export function annotationsFrom(pairs: Iterable<LabelPair>): Labels {
  return annotationsFromList(flatList(pairs));
}

/** Labels from a list `[name, value, …]` in any order; the list itself where it is in order. */
export function labelsFromList(list: readonly string[]): Labels {
  return isInOrder(list, false) ? list : sortedList(list, false);
}

/** The same for annotations. */
export function annotationsFromList(list: readonly string[]): Labels {
  return isInOrder(list, true) ? list : sortedList(list, true);
}

/** Most senders are written in Go, which writes maps in this very order. */
function isInOrder(list: readonly string[], allowsEmpty: boolean): boolean {
  for (let i = 0; i < list.length; i += 2) {
    if (list[i + 1] === '' && !allowsEmpty) return false;
    if (i > 0 && byCodePoint(list[i - 2] as string, list[i] as string) >= 0) return false;
  }
  return true;
}

function flatList(pairs: Iterable<LabelPair>): readonly string[] {
  const list: string[] = [];
  for (const [name, value] of pairs) list.push(name, value);
  return list;
}

function sortedList(list: readonly string[], keepsEmpty: boolean): Labels {
  const byName = new Map(labelPairs(list));
  const names = [...byName.keys()].filter((name) => keepsEmpty || byName.get(name) !== '');
  return names.sort(byCodePoint).flatMap((name) => [name, byName.get(name) ?? '']);
}

/** The value of a label; an absent label is the empty string. */
export function labelValue(labels: Labels, name: string): string {
  for (let i = 0; i < labels.length; i += 2) {
    if (labels[i] === name) return labels[i + 1] ?? '';
  }
  return '';
}

export function* labelPairs(labels: Labels): Generator<readonly [string, string]> {
  for (let i = 0; i < labels.length; i += 2) yield [labels[i] ?? '', labels[i + 1] ?? ''];
}

/** The set as `{a="1", b="2"}`, the way Prometheus prints it. */
export function labelsText(labels: Labels): string {
  const parts = [...labelPairs(labels)].map(([name, value]) => `${name}=${JSON.stringify(value)}`);
  return `{${parts.join(', ')}}`;
}

export function sameLabels(a: Labels, b: Labels): boolean {
  return a.length === b.length && a.every((part, i) => part === b[i]);
}

/**
 * The fingerprint of a label set: 64-bit FNV-1a over each name, 0xFF, value, 0xFF in the order of
 * names, as 16 hexadecimal digits. It is Prometheus' `LabelSet.Fingerprint`, so that tools which
 * compare fingerprints agree with us. The 64 bits are kept as four 16-bit limbs because a
 * JavaScript number holds only 53 and BigInt costs twenty times as much.
 */
export function fingerprint(labels: Labels): string {
  let a = 0x2325;
  let b = 0x8422;
  let c = 0x9ce4;
  let d = 0xcbf2;
  const mix = (byte: number): void => {
    a ^= byte;
    // The prime is 2^40 + 0x1b3: limb-wise product with 0x1b3, plus the low limbs shifted by 40.
    const a0 = a * 0x1b3;
    const b0 = b * 0x1b3 + (a0 >>> 16);
    const c0 = c * 0x1b3 + (b0 >>> 16) + ((a & 0xff) << 8);
    const d0 = d * 0x1b3 + (c0 >>> 16) + ((b & 0xff) << 8) + (a >>> 8);
    a = a0 & 0xffff;
    b = b0 & 0xffff;
    c = c0 & 0xffff;
    d = d0 & 0xffff;
  };
  for (const part of labels) {
    for (let i = 0; i < part.length; i++) {
      const unit = part.charCodeAt(i);
      if (unit < 0x80) {
        mix(unit);
      } else {
        // The rest of the part is not ASCII: its bytes are those of its UTF-8 form.
        for (const byte of encoder.encode(part.slice(i))) mix(byte);
        break;
      }
    }
    mix(0xff);
  }
  return hex4(d) + hex4(c) + hex4(b) + hex4(a);
}

export const labelsSchema: Schema<Labels> = {
  encode: (value, where) => checkedLabels(value, where, false),
  decode: (wire, where) => checkedLabels(wire, where, false),
};

/**
 * Annotations are stored as labels are, and those with an empty value are kept. A build that folds by
 * version 1 alone cannot read them: see `readsEmptyAnnotations`.
 */
export const annotationsSchema: Schema<Labels> = {
  encode: (value, where) => checkedLabels(value, where, true),
  decode: (wire, where) => checkedLabels(wire, where, true),
};

const nameSchema = text(LIMITS.labelName);
const valueSchema = text(LIMITS.labelValue);

function checkedLabels(value: unknown, where: string, allowsEmpty: boolean): Labels {
  if (!Array.isArray(value) || value.length % 2 !== 0) {
    throw new MalformedCommand(where, 'is not a list of names and values');
  }
  if (value.length > 2 * LIMITS.labelsPerAlert) {
    throw new MalformedCommand(where, `has over ${LIMITS.labelsPerAlert} labels`);
  }
  let previous: string | null = null;
  for (let i = 0; i < value.length; i += 2) {
    const name = nameSchema.decode(value[i], where);
    if (name === '') throw new MalformedCommand(where, 'has a label without a name');
    try {
      if (valueSchema.decode(value[i + 1], '') === '' && !allowsEmpty) {
        throw new MalformedCommand('', 'is empty: leave the label out');
      }
    } catch (error) {
      failedWithin(error, `${where}.${name}`);
    }
    if (previous !== null && byCodePoint(previous, name) >= 0) {
      throw new MalformedCommand(where, 'is not sorted by name, or has a name twice');
    }
    previous = name;
  }
  return value as readonly string[];
}

/**
 * The order of code points, which is that of UTF-8 bytes and so that of Go: the fingerprint
 * depends on it. `<` orders by UTF-16 units, where an emoji comes before U+FFFD.
 */
function byCodePoint(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const unit = a.charCodeAt(i);
    const other = b.charCodeAt(i);
    if (unit !== other) return codePointRank(unit) - codePointRank(other);
  }
  return a.length - b.length;
}

/** Surrogates stand for the code points after all others. */
function codePointRank(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit;
}

const encoder = new TextEncoder();

function hex4(limb: number): string {
  return limb.toString(16).padStart(4, '0');
}
