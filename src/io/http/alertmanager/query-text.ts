/**
 * The query of a request as Go reads it, so that a client gets here what it gets from Alertmanager.
 *
 * Promise: nothing in a query makes it unreadable. A part with a semicolon or a broken escape is
 * ignored, bytes that are not UTF-8 become U+FFFD, and of a switch that is given twice the last counts.
 */

export class QueryText {
  readonly #pairs: readonly (readonly [name: string, value: string])[];

  /** Reads the query of a URL, absolute or not. */
  constructor(url: string) {
    const [, text = ''] = /\?([^#]*)/.exec(url) ?? [];
    this.#pairs = text.split('&').flatMap((part) => pairOf(part));
  }

  /** Every value of a parameter, in the order in which they stand. */
  all(name: string): readonly string[] {
    return this.#pairs.filter(([each]) => each === name).map(([, value]) => value);
  }

  /** The value of a parameter that counts, or the empty string. */
  last(name: string): string {
    return this.all(name).at(-1) ?? '';
  }
}

function pairOf(part: string): readonly (readonly [string, string])[] {
  if (part === '' || part.includes(';')) return [];
  const at = part.indexOf('=');
  const name = unescaped(at < 0 ? part : part.slice(0, at));
  const value = unescaped(at < 0 ? '' : part.slice(at + 1));
  return name === null || value === null ? [] : [[name, value]];
}

function unescaped(text: string): string | null {
  if (/%(?![0-9a-fA-F]{2})/.test(text)) return null;
  const spaced = text.replaceAll('+', ' ');
  try {
    return decodeURIComponent(spaced);
  } catch {
    const bytes = spaced.replace(ESCAPE_OR_TEXT, (plain: string, hex: string | undefined) => {
      return hex ?? Buffer.from(plain).toString('hex');
    });
    return Buffer.from(bytes, 'hex').toString('utf8');
  }
}

const ESCAPE_OR_TEXT = /%([0-9a-fA-F]{2})|[^%]+/g;
