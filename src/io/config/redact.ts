/**
 * The text of a configuration with its secrets replaced by `<secret>`, for `/api/v2/status` and
 * for tools.
 *
 * Promise: no secret that stands in the file survives, wherever it stands again: in a comment, in
 * an anchor, in a URL. Comments and layout stay. When in doubt something is hidden too much; a
 * text that is not YAML is hidden whole.
 */

import { isAlias, isMap, isPair, isScalar, isSeq, visit, type Scalar } from 'yaml';
import { INTEGRATIONS } from '../notify/registry.ts';
import { composeYaml } from './compose.ts';
import { scalarText } from './yaml.ts';

export const SECRET = '<secret>';

export function redactSecrets(source: string): string {
  const composed = composeYaml(source);
  const [document, second] = composed.ok ? composed.documents : [];
  if (document === undefined || second !== undefined || document.errors.length > 0) {
    return `# ${SECRET}: the text is not one YAML document\n`;
  }
  const found = new SecretFinder();
  visit(document, { Node: (_, node) => found.noteAnchor(node) });
  found.walk(document.contents, []);
  return withoutTraces(withoutRanges(source, found.scalars), found.texts());
}

/** Keys whose value is a secret wherever they stand. Names of files and references are none. */
const SECRET_KEY =
  /(^|_|-)(password|passwd|secrets?|tokens?|token_id|credentials|key|api_?key|webhook_url)$/i;

/** Further keys whose value is a secret, by a key above them. */
const SECRET_KEYS_OF: ReadonlyMap<string, readonly string[]> = new Map([
  ['slack_configs', ['api_url']],
  ...INTEGRATIONS.map(({ schema }) => [`${schema.type}_configs`, schema.secretKeys] as const),
]);

/** Headers whose values are secrets, whatever their list is called. */
const SECRET_HEADER = /authorization|cookie|token|secret|key|password|signature/i;

/** Keys that are free for people to name: a label called `key` is not a secret. */
const FREE_MAPS = /^(labels|annotations|match|match_re|(source|target)_match(_re)?)$/;

class SecretFinder {
  readonly scalars = new Set<Scalar>();
  readonly #anchors = new Map<string, unknown>();

  noteAnchor(node: unknown): void {
    const anchor = (node as { anchor?: string }).anchor;
    if (anchor !== undefined) this.#anchors.set(anchor, node);
  }

  texts(): readonly string[] {
    return [...this.scalars].map(scalarText);
  }

  walk(node: unknown, keys: readonly string[]): void {
    if (isSeq(node)) for (const item of node.items) this.walk(item, keys);
    if (!isMap(node)) return;
    for (const { key, value } of node.items) {
      const path = [...keys, isScalar(key) ? scalarText(key) : ''];
      if (isSecret(path)) this.#mark(value, new Set());
      else this.walk(value, path);
    }
  }

  #mark(node: unknown, seen: Set<unknown>): void {
    if (seen.has(node)) return;
    seen.add(node);
    if (isAlias(node)) this.#mark(this.#anchors.get(node.source), seen);
    else if (isSeq(node) || isMap(node)) for (const item of node.items) this.#mark(item, seen);
    else if (isPair(node)) this.#mark(node.value, seen);
    else if (isScalar(node) && scalarText(node) !== '') this.scalars.add(node);
  }
}

/** Whether the value at this path of keys (without list positions) is a secret. */
export function isSecret(keys: readonly string[]): boolean {
  const key = keys.at(-1) ?? '';
  if (keys.some((above, i) => i < keys.length - 1 && FREE_MAPS.test(above))) return false;
  if (SECRET_KEY.test(key)) return true;
  if (keys.at(-2) === 'proxy_connect_header') return true;
  if (keys.at(-2) === 'http_headers') return SECRET_HEADER.test(key);
  if (key === 'slack_api_url') return true;
  return keys.some((above) => SECRET_KEYS_OF.get(above)?.includes(key));
}

function withoutRanges(source: string, scalars: ReadonlySet<Scalar>): string {
  const ranges = [...scalars]
    .flatMap((scalar) =>
      scalar.range === null || scalar.range === undefined ? [] : [scalar.range],
    )
    .sort((a, b) => b[0] - a[0]);
  return ranges.reduce((text, [start, end]) => {
    const lineEnd = text.slice(start, end).endsWith('\n') ? '\n' : '';
    return text.slice(0, start) + SECRET + lineEnd + text.slice(end);
  }, source);
}

/** A shorter secret is a common word or number; hiding each of them would hide the whole file. */
export const TRACE_MIN = 6;

const COMMENTED_SECRET =
  /^((?:.*\s)?#.*?\b(?:[\w-]*(?:password|secret|token|credentials|key|url))\s*:[ \t]*)\S.*$/gim;
const URL_PASSWORD = /(\b[a-z][a-z0-9+.-]*:\/\/[^\s/:@'"]*):[^\s/@'"]+@/gi;
const QUERY_SECRET =
  /([?&](?:[\w-]*(?:token|key|secret|password|passwd|signature)|sig|auth)=)[^&\s'"#]+/gi;

/** Hides what the structure does not show: comments, URLs, and secrets that stand twice. */
function withoutTraces(text: string, secrets: readonly string[]): string {
  const hidden = withoutUrlSecrets(text.replace(COMMENTED_SECRET, `$1${SECRET}`), SECRET);
  return secrets
    .filter((secret) => secret.length >= TRACE_MIN && secret !== SECRET)
    .toSorted((a, b) => b.length - a.length)
    .reduce((rest, secret) => rest.replaceAll(secret, SECRET), hidden);
}

/** Puts a mask in place of the passwords of URLs and of the secrets in their queries. */
export function withoutUrlSecrets(text: string, mask: string): string {
  return text.replace(URL_PASSWORD, `$1:${mask}@`).replace(QUERY_SECRET, `$1${mask}`);
}
