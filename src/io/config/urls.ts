/**
 * URLs as Go's `url.Parse` and Alertmanager's URL type read them, for every field that takes one.
 *
 * Promise: what Go refuses is refused, above all a host with `${NAME}` or `{`, which WHATWG's
 * parser accepts as the name of a host; and so is what no client can connect to (a port above
 * 65535, brackets without an IPv6 address), which Go notices only when it sends. No message
 * repeats the text: a URL often is a secret.
 */

import { LIMITS } from '../../commands/limits.ts';
import { bad, good, type Parsed } from './parsed.ts';

const EXAMPLE = 'write for example http://host:8080/path';

/** An http or https URL with a host. */
export function parseHttpUrl(text: string): Parsed<string> {
  const parsed = parseGoUrl(text);
  if (!parsed.ok) return parsed;
  const { host, scheme } = parsed.value;
  if (scheme === '') return bad('is not a URL', EXAMPLE);
  if (scheme !== 'http' && scheme !== 'https') return bad('is not an http or https URL', EXAMPLE);
  if (host === '') return bad('has no host', EXAMPLE);
  if (!canConnect(text)) return bad('has a host or port that cannot be connected to', EXAMPLE);
  return good(text);
}

/** `URL.canParse` of Node 20 errs about letters such as ö once V8 has compiled its caller. */
function canConnect(text: string): boolean {
  try {
    return new URL(text).host !== '';
  } catch {
    return false;
  }
}

/** The URL of a proxy, of any scheme; empty for none. */
export function parseProxyUrl(text: string): Parsed<string> {
  const parsed = parseGoUrl(text);
  return parsed.ok ? good(text) : parsed;
}

interface GoUrl {
  readonly scheme: string;
  readonly host: string;
}

/** Go's `url.Parse`, as far as it can fail. */
function parseGoUrl(text: string): Parsed<GoUrl> {
  if (text.length > LIMITS.seriesName) return bad(`has over ${LIMITS.seriesName} characters`);
  // eslint-disable-next-line no-control-regex -- these are the characters that are looked for.
  if (/[\u0000-\u001f\u007f]/.test(text)) return bad('has a control character', EXAMPLE);
  const [beforeFragment, fragment] = cut(text, '#');
  const [, written, rest = ''] =
    /^(?:([a-zA-Z][a-zA-Z0-9+.-]*):)?(.*)$/s.exec(beforeFragment) ?? [];
  const scheme = written?.toLowerCase() ?? '';
  const [hierarchy] = cut(rest, '?');
  if (scheme === '' && /^[^/]*:/.test(hierarchy)) return bad('is not a URL', EXAMPLE);
  const isOpaque = scheme !== '' && !hierarchy.startsWith('/');
  if (isOpaque) return hasBrokenEscape(fragment) ? brokenEscape() : good({ scheme, host: '' });
  const hasAuthority =
    hierarchy.startsWith('//') && (scheme !== '' || !hierarchy.startsWith('///'));
  const [authority, path] = hasAuthority ? cut(hierarchy.slice(2), '/') : ['', hierarchy];
  const at = authority.lastIndexOf('@');
  const userProblem = at < 0 ? null : userinfoProblem(authority.slice(0, at));
  if (userProblem !== null) return userProblem;
  const host = authority.slice(at + 1);
  const hostProblem = hostnameProblem(host);
  if (hostProblem !== null) return hostProblem;
  if (hasBrokenEscape(path) || hasBrokenEscape(fragment)) return brokenEscape();
  return good({ scheme, host });
}

function userinfoProblem(userinfo: string): Parsed<never> | null {
  if (hasBrokenEscape(userinfo)) return brokenEscape();
  if (/^[A-Za-z0-9._:~!$&'()*+,;=%@-]*$/.test(userinfo)) return null;
  const hint = 'write such characters percent-encoded: a space is %20, { is %7B';
  return bad('has a character in its user or password that must not stand there', hint);
}

/** What Go lets stand in a host, beside percent-encoding and anything outside of ASCII. */
const HOST = /^[A-Za-z0-9_.~!$&'()*+,;=:[\]<>"\u0080-\u{10ffff}-]*$/u;

function hostnameProblem(host: string): Parsed<never> | null {
  const bracket = host.startsWith('[') ? host.lastIndexOf(']') : -1;
  if (host.startsWith('[') && bracket < 0) return bad('has a [ without its ]', EXAMPLE);
  const colon = host.lastIndexOf(':');
  const port = bracket >= 0 ? host.slice(bracket + 1) : colon < 0 ? '' : host.slice(colon);
  if (!/^(?::[0-9]*)?$/.test(port)) {
    return bad('has a port that is not a number', variableHint(port) ?? EXAMPLE);
  }
  // Only the zone of an IPv6 address (`%25eth0`) may have any character percent-encoded.
  const zone = bracket < 0 ? -1 : host.slice(0, bracket).indexOf('%25');
  const name = zone < 0 ? host : host.slice(0, zone) + host.slice(bracket);
  const zoneText = zone < 0 ? '' : host.slice(zone, bracket);
  if (hasBrokenEscape(host) || /%(?!25)[0-7]/.test(name)) return brokenEscape();
  const plain = (name + zoneText).replaceAll(/%[0-9a-fA-F]{2}/g, '');
  if (HOST.test(plain)) return null;
  return bad('has a character in its host that no host name has', variableHint(host) ?? EXAMPLE);
}

/** People expect variables to be filled in; the error has to state that they are not. */
function variableHint(text: string): string | null {
  if (!/\$\{|\{\{/.test(text)) return null;
  return 'variables such as ${NAME} are not filled in here: write the value itself';
}

function hasBrokenEscape(text: string): boolean {
  return /%(?![0-9a-fA-F]{2})/.test(text);
}

function brokenEscape(): Parsed<never> {
  return bad('has a broken percent-encoding', 'write %25 for a percent sign itself');
}

/** The text before the first `mark`, and the text after it. */
function cut(text: string, mark: string): readonly [string, string] {
  const at = text.indexOf(mark);
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
}
