/**
 * Keeps secrets out of what is stored and shown about an attempt. The body of an error response
 * often quotes the request, and the path of a webhook is a password in effect.
 *
 * Promise: a secret is found in each form in which a response may quote it: in other cases of letters,
 * percent-encoded, escaped for JSON or HTML, more than once and in part, in base64 whatever stands
 * before it there, in hexadecimal, and broken over lines. The text is undone step by step, each
 * character with its place in the original; what is found is blanked there.
 */

/** The parts of a URL that are secret: all but its scheme, host and port. */
export function secretsOfUrl(url: URL): readonly string[] {
  const { pathname, search, searchParams } = url;
  const segments = pathname.split('/').filter((segment) => segment.length >= TOKEN_LENGTH_MIN);
  const parts = [pathname + search, pathname, ...segments, ...searchParams.values()];
  return [...parts, ...parts.map(decodedPart), ...secretsOfUser(url)];
}

/** The user and the password of a URL, as they are sent. */
export function secretsOfUser({ username, password }: URL): readonly string[] {
  const [user, secret] = [decodedPart(username), decodedPart(password)];
  return [username, password, user, secret, `${user}:${secret}`];
}

/** The text with a star for each character of a secret, so that its length does not change. */
export function blankOut(text: string, secrets: readonly string[]): string {
  return blanked(text, secrets, false);
}

/** The same for a text that was cut, perhaps in the middle of a secret. */
export function blankOutCut(text: string, secrets: readonly string[]): string {
  return blanked(text, secrets, true);
}

/** How much longer than what is shown a text must be, so that no secret in it is cut. */
export function redactionMargin(secrets: readonly string[]): number {
  const longest = Math.max(0, ...secrets.map((secret) => secret.length));
  return Math.min(MARGIN_MAX, EXPANSION_MAX * longest);
}

/** On one line, without control characters: they could forge a line or drive a terminal. */
export function printable(text: string): string {
  return text.replace(/[\p{C}\p{Z}\s]+/gu, ' ').trim();
}

/** Shorter ones are part of many words; blanking them would hide the words and show the secret. */
const SECRET_LENGTH_MIN = 4;

/** Shorter segments of a path are words such as `services`, not tokens. */
const TOKEN_LENGTH_MIN = 8;

/** Characters that one may become: `\\u0061` with a line break behind it, escaped again. */
const EXPANSION_MAX = 12;

/** A longer secret is found by its beginning. */
const MARGIN_MAX = 64 * 1024;

/** A URL in JSON in HTML is escaped three times. */
const STEPS = 4;

/** The ways in which a character is written as several, and a line broken where there is no line. */
const ESCAPE =
  /(?:%[0-9a-f]{2})+|\\u[0-9a-f]{4}|\\x[0-9a-f]{2}|\\[^ux]|&(?:#\d{1,7}|#x[0-9a-f]{1,6}|[a-z]{2,6});|<br *\/?>|=\r?\n/giu;

/** Half of one, at the end of a text that was cut. */
const CUT_ESCAPE =
  /(?:%[c-f][0-9a-f](?:%[89ab][0-9a-f]){0,2})?(?:%[0-9a-f]?|\\(?:u[0-9a-f]{0,3}|x[0-9a-f]?)?|&[#a-z0-9]{0,8}|<[br /]{0,4})?$/i;

const ENTITIES: Readonly<Record<string, string>> = {
  amp: '&',
  lt: '<',
  gt: '>',
  quot: '"',
  apos: "'",
  sol: '/',
  equals: '=',
  plus: '+',
  colon: ':',
};

const JSON_ESCAPES: Readonly<Record<string, string>> = {
  n: '\n',
  r: '\r',
  t: '\t',
  b: '\b',
  f: '\f',
};

/** A text with the place of each of its characters in the original. */
interface Traced {
  readonly text: string;
  readonly from: readonly number[];
  readonly to: readonly number[];
}

/** What to look for. */
interface Form {
  readonly text: string;
  /** Whether the character before it depends on the secret in part, as in base64. */
  readonly isOpenBefore: boolean;
  readonly isOpenAfter: boolean;
}

function blanked(original: string, secrets: readonly string[], isCut: boolean): string {
  const forms = formsOf(secrets);
  if (forms.length === 0) return original;
  const text = isCut ? original.replace(CUT_ESCAPE, '') : original;
  const isBlank = new Uint8Array(text.length);
  const from = Array.from({ length: text.length }, (_, i) => i);
  let traced: Traced = { text, from, to: from.map((place) => place + 1) };
  for (let step = 0; step < STEPS; step++) {
    const flat = withoutBreaks(traced);
    for (const form of forms) mark(flat, form, isCut, isBlank);
    const next = unescaped(traced);
    if (next.text === traced.text) break;
    traced = next;
  }
  return text.replace(/[\s\S]/g, (character, at: number) => (isBlank[at] === 1 ? '*' : character));
}

/** The secrets, and what base64 and hexadecimal make of them, in lower case and without blanks. */
function formsOf(secrets: readonly string[]): readonly Form[] {
  const forms = new Map<string, Form>();
  for (const secret of secrets) {
    if (secret.length < SECRET_LENGTH_MIN) continue;
    const bytes = Buffer.from(secret);
    const closed = [secret, secret.replaceAll(' ', '+'), bytes.toString('hex')];
    const all = [
      ...closed.map((text) => ({ text, isOpenBefore: false, isOpenAfter: false })),
      ...[0, 1, 2].flatMap((before) => inBase64(bytes, before)),
    ];
    for (const form of all) {
      const text = lowered(form.text.replace(/\s/gu, ''));
      if (text.length >= SECRET_LENGTH_MIN && !forms.has(text)) forms.set(text, { ...form, text });
    }
  }
  return [...forms.values()];
}

/** The characters that depend on nothing but the secret when so many bytes stand before it. */
function inBase64(bytes: Buffer, before: number): readonly Form[] {
  const text = Buffer.concat([Buffer.alloc(before), bytes])
    .toString('base64')
    .replaceAll('=', '');
  const isOpenBefore = before > 0;
  const isOpenAfter = (before + bytes.length) % 3 > 0;
  const own = text.slice(isOpenBefore ? before + 1 : 0, text.length - (isOpenAfter ? 1 : 0));
  const forUrls = own.replaceAll('+', '-').replaceAll('/', '_');
  return [own, forUrls].map((each) => ({ text: each, isOpenBefore, isOpenAfter }));
}

function mark(traced: Traced, form: Form, isCut: boolean, isBlank: Uint8Array): void {
  const { text, from, to } = traced;
  const blank = (at: number, end: number, isOpenAfter: boolean): void => {
    const first = form.isOpenBefore ? Math.max(0, at - 1) : at;
    const last = isOpenAfter ? Math.min(text.length - 1, end) : end - 1;
    // With what breaks it up.
    isBlank.fill(1, from[first], to[last]);
  };
  const { length } = form.text;
  for (let at = text.indexOf(form.text); at >= 0; at = text.indexOf(form.text, at + length)) {
    blank(at, at + length, form.isOpenAfter);
  }
  if (!isCut) return;
  for (let part = Math.min(length - 1, text.length); part > 0; part--) {
    if (!text.endsWith(form.text.slice(0, part))) continue;
    blank(text.length - part, text.length, false);
    return;
  }
}

/** In lower case, on one line and without blanks. */
function withoutBreaks({ text, from, to }: Traced): Traced {
  const kept = [...text.matchAll(/\S/g)].map(({ index }) => index);
  return {
    text: lowered(text.replace(/\s/g, '')),
    from: kept.map((i) => from[i] as number),
    to: kept.map((i) => to[i] as number),
  };
}

/** One step back: what was escaped last is undone. */
function unescaped({ text, from, to }: Traced): Traced {
  let plain = '';
  const [plainFrom, plainTo]: [number[], number[]] = [[], []];
  /** Makes `meaning` of the characters between two places. */
  const put = (meaning: string, at: number, end: number): void => {
    plain += meaning;
    for (let i = 0; i < meaning.length; i++) {
      plainFrom.push(from[at] as number);
      plainTo.push(to[end - 1] as number);
    }
  };
  let done = 0;
  const copy = (end: number): void => {
    for (; done < end; done++) put(text[done] as string, done, done + 1);
  };
  for (const { 0: escape, index } of text.matchAll(ESCAPE)) {
    copy(index);
    if (escape.startsWith('%')) percentDecoded(escape, (...piece) => put(...shifted(piece, index)));
    else put(meaningOf(escape), index, index + escape.length);
    done = index + escape.length;
  }
  copy(text.length);
  return { text: plain, from: plainFrom, to: plainTo };
}

type Piece = readonly [meaning: string, at: number, end: number];

function shifted([meaning, at, end]: Piece, by: number): Piece {
  return [meaning, at + by, end + by];
}

/** Each character of a run of `%41`; where it is no UTF-8, each byte as one. */
function percentDecoded(escape: string, put: (...piece: Piece) => void): void {
  const bytes = Buffer.from(escape.replaceAll('%', ''), 'hex');
  const text = bytes.toString();
  const isText = Buffer.from(text).equals(bytes);
  let at = 0;
  for (const character of isText ? text : bytes.toString('latin1')) {
    const end = at + 3 * (isText ? Buffer.byteLength(character) : 1);
    put(character, at, end);
    at = end;
  }
}

function meaningOf(escape: string): string {
  if (/^[<=]/.test(escape)) return '';
  if (escape.startsWith('&')) return entityOf(escape.slice(1, -1).toLowerCase()) ?? escape;
  const kind = escape[1] as string;
  if (kind === 'u' || kind === 'x')
    return String.fromCharCode(Number.parseInt(escape.slice(2), 16));
  return JSON_ESCAPES[kind] ?? escape.slice(1);
}

function entityOf(name: string): string | undefined {
  if (!name.startsWith('#')) return ENTITIES[name];
  const code = name.startsWith('#x')
    ? Number.parseInt(name.slice(2), 16)
    : Number.parseInt(name.slice(1), 10);
  return code <= 0x10_ffff ? String.fromCodePoint(code) : undefined;
}

/** ASCII alone, so that no character changes its length. */
function lowered(text: string): string {
  return text.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
}

function decodedPart(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
