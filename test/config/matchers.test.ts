import { describe, expect, test } from 'vitest';
import { matcherText } from '../../src/commands/matchers.ts';
import { matchesAbsent, parseMatchers } from '../../src/io/config/matcher-text.ts';

/** What a text means, as a list of printed matchers, or the message why it means nothing. */
function meaning(text: string, classicNames = false): string {
  const parsed = parseMatchers(text, classicNames);
  return parsed.ok ? parsed.value.map(matcherText).join(' ') : `no: ${parsed.message}`;
}

describe('a matcher in text means what it means to Alertmanager in its default mode', () => {
  test.each([
    ['', ''],
    ['{}', ''],
    ['foo=bar', 'foo="bar"'],
    ['{foo=bar}', 'foo="bar"'],
    ['foo = bar', 'foo="bar"'],
    ['{foo="bar", baz!~"quux.*", derp=wat,}', 'foo="bar" baz!~"quux.*" derp="wat"'],
    ['{\n  a = "x",\n  b =~ "y|z",\n}\n', 'a="x" b=~"y|z"'],
    ['a=~[a-zA-Z]+', 'a=~"[a-zA-Z]+"'],
    ['foo="bar,quux"', 'foo="bar,quux"'],
    ['foo=""', 'foo=""'],
    ['{name-with-dashes = "bar"}', 'name-with-dashes="bar"'],
    ['"two words"!="x"', 'two words!="x"'],
    ['Προμηθεύς=🙂', 'Προμηθεύς="🙂"'],
    ['a="\\"x\\" \\\\d"', String.raw`a="\"x\" \\d"`],
    [String.raw`"b b"="\xf0\x9f\x99\x82 é \U0001F642 \101\t"`, String.raw`b b="🙂 é 🙂 A\t"`],
  ])('both parsers, or the one for UTF-8 names: %j', (text, meant) => {
    expect(meaning(text)).toBe(meant);
  });

  test.each([
    ['job=', 'job=""'],
    ['{foo=', 'foo=""'],
    ['foo=bar baz', 'foo="bar baz"'],
    ['{foo=bar}}', 'foo="bar}"'],
    ['{foo=,bar=}}', 'foo="" bar="}"'],
    ['tricky=~~~', 'tricky=~"~~"'],
    [String.raw`foo=~"\d+"`, String.raw`foo=~"\\d+"`],
    [String.raw`foo=bar\n`, String.raw`foo="bar\n"`],
    [String.raw`foo=bar\t`, String.raw`foo="bar\\t"`],
    ["foo='", `foo="'"`],
    // Both understand it, each in its own way: the classic meaning stays, as it always was.
    [String.raw`qux="\xf0\x9f"`, String.raw`qux="\\xf0\\x9f"`],
  ])('the classic parser where only that one understands: %j', (text, meant) => {
    expect(meaning(text)).toBe(meant);
  });

  test.each([
    [',', 'no: a label name is expected'],
    ['foo', 'no: an operator is expected after foo'],
    ['=x', 'no: a label name is expected'],
    ['foo!', 'no: cannot read ! in a matcher'],
    ['job="value', 'no: cannot read "value in a matcher'],
    ['a=b"c', 'no: cannot read "c in a matcher'],
    ['"a b"=x y', 'no: y is not expected here'],
    ['{"a b"=x', 'no: {"a b"=x has no closing brace'],
    ['"a b"="\\z"', 'no: "\\z" has a wrong escape'],
    ['""=x', 'no: a label name is empty'],
    ['a=~"b["', 'no: "b[" is not a regular expression: missing closing ]: `[`'],
    ['a=~"b)(c"', 'no: "b)(c" is not a regular expression: unexpected ): `b)(c`'],
  ])('nobody understands %j', (text, message) => {
    expect(meaning(text)).toBe(message);
  });

  test('in classic mode a name in UTF-8 is not understood', () => {
    expect(meaning('größe=1', true)).toBe('no: cannot read größe=1 as a matcher');
    expect(meaning('{a=b, c!=d}', true)).toBe('a="b" c!="d"');
  });
});

test.each([
  ['a=""', true],
  ['a="x"', false],
  ['a!="x"', true],
  ['a!=""', false],
  ['a=~"x|"', true],
  ['a=~"x"', false],
  ['a!~"x"', true],
  ['a!~".*"', false],
])('an absent label meets %s: %s', (text, met) => {
  const parsed = parseMatchers(text, false);
  expect(parsed.ok && parsed.value.map(matchesAbsent)).toEqual([met]);
});
