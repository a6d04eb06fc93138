/**
 * Matchers as people write them: `severity=~"critical|page"`, `{team="web", env!=test}`.
 *
 * Promise: text means here what it means to Alertmanager in its default mode: the parser for
 * UTF-8 names first, the classic one where only that one understands, and the classic one where
 * both understand differently (upstream: matcher/compat, "fallback mode"). Pure.
 */

import type { Matcher } from '../../commands/matchers.ts';
import { expressionFault, listFault } from '../../projections/expressions.ts';
import { matches } from '../../projections/matching.ts';
import { bad, good, type Parsed } from './parsed.ts';

/** Reads one or more matchers. `classicNames` leaves only the classic parser. */
export function parseMatchers(text: string, classicNames: boolean): Parsed<readonly Matcher[]> {
  const parsed = eitherWay(text, classicNames);
  const fault = parsed.ok ? listFault(parsed.value) : null;
  return fault === null ? parsed : bad(`the expressions of these matchers together: ${fault}`);
}

function eitherWay(text: string, classicNames: boolean): Parsed<readonly Matcher[]> {
  const classic = parseClassic(text);
  if (classicNames) return classic;
  const modern = parseModern(text);
  if (!modern.ok) return classic.ok ? classic : modern;
  if (classic.ok && !sameMatchers(classic.value, modern.value)) return classic;
  return modern;
}

/**
 * Reads exactly one matcher, as a `filter` of the API is one: commas and braces belong to its value
 * (upstream: `compat.Matcher`). Version 0.25 and the classic mode of later ones have nothing else.
 */
export function parseMatcher(text: string, classicNames: boolean): Parsed<Matcher> {
  const classic = classicMatcher(text);
  if (classic.ok || classicNames || text.startsWith('{')) return classic;
  const modern = parseModern(text);
  const [only, second] = modern.ok ? modern.value : [];
  return only !== undefined && second === undefined ? good(only) : classic;
}

/** Characters of an expression that a problem shows. */
const SHOWN = 200;

/** A regular expression in RE2 syntax; it will have to match the whole value. */
export function checkExpression(value: string): Parsed<string> {
  const why = expressionFault(value);
  if (why === null) return good(value);
  const shown = value.length > SHOWN ? `${value.slice(0, SHOWN)}…` : value;
  return bad(`"${shown}" is not a regular expression: ${why}`, expressionHint(why));
}

/** Whether the matcher is met by an absent label. */
export function matchesAbsent(matcher: Matcher): boolean {
  return matches(matcher, '');
}

/** Upstream sorts matchers, so that equal routes have equal group keys. */
export function sortedMatchers(matchers: readonly Matcher[]): readonly Matcher[] {
  const key = ({ name, value, op }: Matcher): string => `${name}\u0000${value}\u0000${op}`;
  return matchers.toSorted((a, b) => (key(a) < key(b) ? -1 : 1));
}

const HINT = 'write for example severity="critical" or service=~"web|api"';

type Op = Matcher['op'];

interface Token {
  readonly kind: '{' | '}' | ',' | 'op' | 'quoted' | 'bare';
  readonly text: string;
}

const TOKEN = /\s*(?:([{},])|(=~|!=|!~|=)|("(?:[^"\\]|\\[^])*")|([^\s{}!=~,\\"'`]+))/uy;

/** Upstream: matcher/parse. Names and values are bare words or text in double quotes. */
function parseModern(text: string): Parsed<readonly Matcher[]> {
  const tokens = tokensOf(text);
  if (!tokens.ok) return tokens;
  const rest = [...tokens.value];
  const matchers: Matcher[] = [];
  const braced = rest[0]?.kind === '{';
  if (braced) rest.shift();
  while (rest.length > 0 && rest[0]?.kind !== '}') {
    const matcher = takeMatcher(rest);
    if (!matcher.ok) return matcher;
    matchers.push(matcher.value);
    if (rest[0]?.kind !== ',') break;
    rest.shift();
  }
  if (braced && rest.shift()?.kind !== '}') return bad(`${text} has no closing brace`, HINT);
  const extra = rest[0];
  return extra === undefined ? good(matchers) : bad(`${extra.text} is not expected here`, HINT);
}

function tokensOf(text: string): Parsed<readonly Token[]> {
  const tokens: Token[] = [];
  let at = 0;
  while (text.slice(at).trim() !== '') {
    TOKEN.lastIndex = at;
    const match = TOKEN.exec(text);
    if (match === null) return bad(`cannot read ${text.slice(at).trim()} in a matcher`, HINT);
    at = TOKEN.lastIndex;
    const [, brace, op, quoted, bare] = match;
    if (brace !== undefined) tokens.push({ kind: brace as '{' | '}' | ',', text: brace });
    else if (op !== undefined) tokens.push({ kind: 'op', text: op });
    else if (quoted !== undefined) tokens.push({ kind: 'quoted', text: quoted });
    else tokens.push({ kind: 'bare', text: bare ?? '' });
  }
  return good(tokens);
}

function takeMatcher(rest: Token[]): Parsed<Matcher> {
  const [name, op, value] = rest.splice(0, 3);
  if (name === undefined || !isWord(name)) return bad('a label name is expected', HINT);
  if (op?.kind !== 'op') return bad(`an operator is expected after ${name.text}`, HINT);
  if (value === undefined || !isWord(value)) {
    return bad(
      `a value is expected after ${name.text}${op.text}`,
      `write ${name.text}${op.text}""`,
    );
  }
  const nameText = wordOf(name);
  const valueText = wordOf(value);
  if (nameText === null) return bad(`${name.text} has a wrong escape`, HINT);
  if (valueText === null)
    return bad(`${value.text} has a wrong escape`, 'write \\\\ for a backslash');
  if (nameText === '') return bad('a label name is empty', HINT);
  return matcherOf(nameText, op.text as Op, valueText);
}

function isWord(token: Token): boolean {
  return token.kind === 'quoted' || token.kind === 'bare';
}

function wordOf(token: Token): string | null {
  return token.kind === 'bare' ? token.text : unquoted(token.text);
}

const ESCAPES = new Map(
  Object.entries({ a: 7, b: 8, f: 12, n: 10, r: 13, t: 9, v: 11, '\\': 92, '"': 34 }),
);
const ESCAPE =
  /\\(?:([abfnrtv\\"])|x([0-9a-fA-F]{2})|([0-3][0-7]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))|\\|\n/g;

/**
 * The meaning of a string in double quotes by the rules of Go, or null. `\x` and octal escapes
 * give bytes, which together must be UTF-8, so the text is put together as bytes.
 */
function unquoted(quoted: string): string | null {
  const inner = quoted.slice(1, -1);
  const bytes: number[] = [];
  const utf8 = new TextEncoder();
  let at = 0;
  for (const match of inner.matchAll(ESCAPE)) {
    bytes.push(...utf8.encode(inner.slice(at, match.index)));
    const [, letter, hex, octal, short, long] = match;
    const point = short ?? long;
    if (letter !== undefined) bytes.push(ESCAPES.get(letter) ?? 0);
    else if (hex !== undefined) bytes.push(parseInt(hex, 16));
    else if (octal !== undefined) bytes.push(parseInt(octal, 8));
    else if (point === undefined || parseInt(point, 16) > 0x10ffff) return null;
    else bytes.push(...utf8.encode(String.fromCodePoint(parseInt(point, 16))));
    at = match.index + match[0].length;
  }
  bytes.push(...utf8.encode(inner.slice(at)));
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(
      Uint8Array.from(bytes),
    );
  } catch {
    return null;
  }
}

/** Upstream: pkg/labels. Tolerant: half a brace, a bare value with spaces, unknown escapes. */
function parseClassic(text: string): Parsed<readonly Matcher[]> {
  const matchers: Matcher[] = [];
  for (const part of classicParts(text.replace(/^\{/, '').replace(/\}$/, ''))) {
    const matcher = classicMatcher(part);
    if (!matcher.ok) return matcher;
    matchers.push(matcher.value);
  }
  return good(matchers);
}

/** Splits at commas outside of double quotes. */
function classicParts(text: string): string[] {
  const parts: string[] = [];
  let part = '';
  let quoted = false;
  let escaped = false;
  for (const char of text) {
    if (char === ',' && !quoted) {
      parts.push(part);
      part = '';
      continue;
    }
    if (char === '"' && !escaped) quoted = !quoted;
    escaped = char === '\\' && !escaped;
    part += char;
  }
  if (part.trim() !== '') parts.push(part);
  return parts;
}

const CLASSIC = /^([a-zA-Z_:][a-zA-Z0-9_:]*)[\t\n\f\r ]*(=~|=|!=|!~)([^]*)$/;

/** Without the white space of Go's expressions at both ends: no BOM, no space of other scripts. */
function trimmed(text: string): string {
  let [start, end] = [0, text.length];
  while (start < end && GO_SPACE.includes(text.charAt(start))) start++;
  while (end > start && GO_SPACE.includes(text.charAt(end - 1))) end--;
  return text.slice(start, end);
}

const GO_SPACE = '\t\n\f\r ';

function classicMatcher(part: string): Parsed<Matcher> {
  const match = CLASSIC.exec(trimmed(part));
  if (match === null) return bad(`cannot read ${part.trim()} as a matcher`, HINT);
  const [, name = '', op = '', rest = ''] = match;
  const raw = trimmed(rest);
  const opened = raw.startsWith('"');
  const closed = opened && raw.length > 1 && /(^|[^\\])(\\\\)*"$/.test(raw.slice(1));
  const inner = raw.slice(opened ? 1 : 0, closed ? -1 : undefined);
  if (opened !== closed || /(^|[^\\])(\\\\)*"/.test(inner)) {
    return bad(`${part.trim()} has an unmatched double quote`, HINT);
  }
  const value = inner.replace(/\\([n"\\])/g, (_, char: string) => (char === 'n' ? '\n' : char));
  return matcherOf(name, op as Op, value);
}

function matcherOf(name: string, op: Op, value: string): Parsed<Matcher> {
  if (op === '=~' || op === '!~') {
    const expression = checkExpression(value);
    if (!expression.ok) return expression;
  }
  return good({ name, op, value });
}

function sameMatchers(a: readonly Matcher[], b: readonly Matcher[]): boolean {
  return (
    a.length === b.length &&
    a.every((one, i) => {
      const other = b[i];
      return one.name === other?.name && one.op === other.op && one.value === other.value;
    })
  );
}

function expressionHint(why: string): string {
  return why.includes('Perl syntax') || why.includes('escape')
    ? 'RE2 has no look-around and no back-references'
    : '';
}
