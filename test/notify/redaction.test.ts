/** A receiver's page may quote the request in any form; what is stored of it quotes no secret. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { blankOut, blankOutCut, secretsOfUrl } from '../../src/io/notify/redaction.ts';

const SECRET = 'pa"ss w/ö+rd=&<7>';

const base64 = (text: string): string => Buffer.from(text).toString('base64');
const json = (text: string): string => JSON.stringify(text).slice(1, -1);
const html = (text: string): string =>
  text.replace(/[&<>"/]/g, (character) => `&#${character.charCodeAt(0)};`);
const everyUnicode = (text: string): string =>
  text
    .split('')
    .map((c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)
    .join('');
const everyPercent = (text: string): string =>
  [...Buffer.from(text)].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('');
const wrapped = (text: string, by: string): string => text.replace(/(.{5})/gu, `$1${by}`);

const FORMS: readonly (readonly [title: string, write: (secret: string) => string])[] = [
  ['as it is', (secret) => secret],
  ['in capitals', (secret) => secret.replace(/[a-z]/g, (letter) => letter.toUpperCase())],
  ['percent-encoded', encodeURIComponent],
  ['percent-encoded in lower case', (secret) => encodeURIComponent(secret).toLowerCase()],
  ['percent-encoded in each byte', everyPercent],
  ['as a form', (secret) => String(new URLSearchParams({ secret })).slice('secret='.length)],
  ['percent-encoded twice', (secret) => encodeURIComponent(encodeURIComponent(secret))],
  ['escaped for JSON', json],
  ['escaped for JSON twice', (secret) => json(json(secret))],
  ['escaped for JSON with slashes', (secret) => json(secret).replaceAll('/', '\\/')],
  ['as numbers of Unicode', everyUnicode],
  ['escaped for HTML', html],
  ['percent-encoded in JSON in HTML', (secret) => html(json(encodeURIComponent(secret)))],
  ['in base64', base64],
  ['in base64 for URLs', (secret) => Buffer.from(secret).toString('base64url')],
  ['in base64 behind one character', (secret) => base64(`:${secret}`)],
  ['in base64 behind two', (secret) => base64(`me${secret}`)],
  ['in base64, percent-encoded', (secret) => encodeURIComponent(base64(`a${secret}`))],
  ['in hexadecimal', (secret) => Buffer.from(secret).toString('hex')],
  ['broken over lines', (secret) => wrapped(secret, '\r\n ')],
  ['in base64, broken over lines', (secret) => wrapped(base64(`:${secret}`), '\n')],
  ['broken over lines in JSON', (secret) => json(wrapped(secret, '\n'))],
  ['in base64, broken over lines in HTML', (secret) => wrapped(base64(secret), '<br/>')],
];

describe('a secret', () => {
  it.each(FORMS)('%s is blanked, and nothing else is', (_title, write) => {
    const text = `before ${write(SECRET)} after`;
    const blank = blankOut(text, [SECRET]);
    expect(blank).toHaveLength(text.length);
    expect(blank).toMatch(/^before \w{0,2}\*[^a-z]*after$/);
    expect(blank.replace(/[^*]/g, '').length).toBeGreaterThan(write(SECRET).trimEnd().length - 9);
  });

  it('of any kind, in any form, leaves no four characters of that form', () => {
    const secret = fc.string({ unit: 'grapheme', minLength: 6, maxLength: 40 });
    fc.assert(
      fc.property(secret, fc.constantFrom(...FORMS), (word, [, write]) => {
        fc.pre(word.isWellFormed() && word === word.trim() && word.replace(/\s/gu, '').length >= 4);
        const written = write(word);
        const blank = blankOut(`<< ${written} >>`, [word]).replaceAll(/%3D|=|<br\/>/g, '');
        // What base64 makes of the neighbours of a secret may stay.
        expect(blank.slice(3, -3)).not.toMatch(/[^*\s]{5}/);
      }),
    );
  });

  it('in base64 leaves what stands before and behind it there', () => {
    expect(blankOut(base64('mesecretmore'), ['secret'])).toMatch(/^bW\*+tb3Jl$/);
  });

  it('leaves the text around it alone', () => {
    const text = 'no such room: 100% of \\u0041 &amp; %41 are fine';
    expect(blankOut(text, [SECRET])).toBe(text);
  });

  it('that is short stands in many words, and is not looked for', () => {
    expect(blankOut('an abc of things', ['abc'])).toBe('an abc of things');
  });

  it.each([
    ['as it is', `page ${SECRET}`],
    ['percent-encoded', `page ${encodeURIComponent(SECRET)}`],
    ['escaped for JSON', `page ${everyUnicode(SECRET)}`],
    ['in base64', `page ${base64(SECRET)}`],
  ])('%s is blanked wherever the text was cut', (_title, text) => {
    for (let length = 5; length <= text.length; length++) {
      expect(blankOutCut(text.slice(0, length), [SECRET])).toMatch(
        /^page ?[\s*]*(?:%20|\\u0020)?$/,
      );
    }
  });
});

describe('the secrets of a URL', () => {
  it('are its path, its query, its user and its password', () => {
    const url = new URL(
      'https://me:p%40ss-word@hook.example.com/services/T0K3N-0123?key=ab%20bc%20cd',
    );
    const page = `hook.example.com/services/T0K3N-0123 ab bc cd ${base64('me:p@ss-word')} p@ss-word p%40ss-word`;
    const blank = blankOut(page, secretsOfUrl(url));
    expect(blank).toMatch(/^hook\.example\.com[*\s]+$/);
  });
});
