/**
 * The part of a configuration that Alertmanager has too, as a file that amtool loads: it reads
 * `config.original` of `/api/v2/status` with a strict loader, and refuses a section of ours.
 *
 * Promise: no secret of the source is in it. What is written needs no anchor and no comment, has the
 * order of the source, and gives each field the value that it has there. A hidden secret is
 * `<secret>`; where a loader requires a URL, it is a URL that contains that word.
 */

import { isFields } from './fields.ts';
import { ALERTMANAGER_SECTIONS } from './read.ts';
import { isSecret, SECRET, TRACE_MIN, withoutUrlSecrets } from './redact.ts';
import { parseYaml, Scalar, type Value } from './yaml.ts';

/** What we ignore is no more part of Alertmanager's file than our own sections. */
const SECTIONS: ReadonlySet<string> = new Set(ALERTMANAGER_SECTIONS);

/** Empty when the source is no configuration. */
export function alertmanagerConfig(source: string): string {
  const { root } = parseYaml(source);
  if (!isFields(root)) return '';
  const secrets: string[] = [];
  collect(root, [], false, secrets);
  const writer = new Writer(secrets);
  const sections = Object.entries(root).filter(([name]) => SECTIONS.has(name));
  return sections.map(([name, value]) => `${name}:${writer.after(value, [name], '')}`).join('');
}

/** Notes each text that stands where a secret stands. */
function collect(value: Value, keys: readonly string[], hidden: boolean, secrets: string[]): void {
  if (value instanceof Scalar) {
    if (hidden && value.text.length >= TRACE_MIN && value.text !== SECRET) secrets.push(value.text);
  } else if (isFields(value)) {
    for (const [key, inner] of Object.entries(value)) {
      const path = [...keys, key];
      collect(inner, path, hidden || isSecret(path), secrets);
    }
  } else if (value !== null) {
    for (const item of value) collect(item, keys, hidden, secrets);
  }
}

class Writer {
  readonly #secrets: readonly string[];

  constructor(secrets: readonly string[]) {
    this.#secrets = [...new Set(secrets)].toSorted((a, b) => b.length - a.length);
  }

  /** A value as it stands behind its key, with the line break that ends it. */
  after(value: Value, keys: readonly string[], indent: string, hidden = false): string {
    if (value === null) return ' null\n';
    if (value instanceof Scalar) return ` ${this.#scalar(value, keys, hidden)}\n`;
    if (isFields(value)) {
      const lines = Object.entries(value).map(([key, inner]) => {
        const path = [...keys, key];
        const text = this.after(inner, path, `${indent}  `, hidden || isSecret(path));
        return `${indent}  ${keyText(key)}:${text}`;
      });
      return lines.length === 0 ? ' {}\n' : `\n${lines.join('')}`;
    }
    const items = value.map((item) => `${indent}  -${this.#item(item, keys, indent, hidden)}`);
    return items.length === 0 ? ' []\n' : `\n${items.join('')}`;
  }

  /** An item of a list; a map or a list begins on the line of its dash. */
  #item(item: Value, keys: readonly string[], indent: string, hidden: boolean): string {
    const text = this.after(item, keys, `${indent}  `, hidden);
    return text.startsWith('\n') ? ` ${text.slice(1).trimStart()}` : text;
  }

  #scalar({ text, plain }: Scalar, keys: readonly string[], hidden: boolean): string {
    if (hidden && text !== '') return isWebhookUrl(keys) ? hiddenUrl(text) : SECRET;
    const isUrl = /^[a-z][a-z0-9+.-]*:\/\//i.test(text);
    const mask = isUrl ? URL_MASK : SECRET;
    const shown = this.#secrets.reduce(
      (rest, secret) => rest.replaceAll(secret, mask),
      withoutUrlSecrets(text, URL_MASK),
    );
    return plain && shown === text && !/[\n\r]/.test(text) ? text : quoted(shown);
  }
}

/** As Go shows the password of a URL; `<` would make the URL unreadable. */
const URL_MASK = 'xxxxx';

/** Up to 0.25 the URL of a webhook was no secret, and its amtool wants one that it can read. */
function isWebhookUrl(keys: readonly string[]): boolean {
  return keys.at(-1) === 'url' && keys.includes('webhook_configs');
}

function hiddenUrl(text: string): string {
  return `${text.startsWith('https:') ? 'https' : 'http'}://${URL_MASK}/${SECRET}`;
}

function keyText(key: string): string {
  return /^[A-Za-z_][A-Za-z0-9_]*$/.test(key) && !YAML_WORD.test(key) ? key : quoted(key);
}

/** Words that mean a flag or nothing when they stand without quotes. */
const YAML_WORD = /^(?:y|n|yes|no|on|off|true|false|null)$/i;

/** In double quotes, with an escape for all that YAML readers call not printable. */
function quoted(text: string): string {
  return JSON.stringify(text).replace(NOT_PRINTABLE, (char) => {
    return `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}

const NOT_PRINTABLE = /[\u007f-\u009f\u2028\u2029\ufeff\ufffe\uffff]/g;
