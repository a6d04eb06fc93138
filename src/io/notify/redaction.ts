/**
 * Keeps secrets out of what is stored and shown about an attempt. A receiver's error page often
 * quotes the request, and a webhook's path is as good as a password.
 */

/** What must not be told of a URL: all but its scheme, host and port. */
export function secretsOfUrl(url: URL): readonly string[] {
  const { username, password, pathname, search, searchParams } = url;
  const segments = pathname.split('/').filter((segment) => segment.length >= TOKEN_LENGTH_MIN);
  const parts = [pathname + search, pathname, username, password, ...segments];
  return [...parts, ...parts.map(decodedPart), ...searchParams.values()];
}

/** The text with a star for each character of a secret, so that its length does not change. */
export function blankOut(text: string, secrets: readonly string[]): string {
  return [...secrets]
    .filter((secret) => secret.length >= SECRET_LENGTH_MIN)
    .sort((a, b) => b.length - a.length)
    .reduce((rest, secret) => rest.replaceAll(secret, '*'.repeat(secret.length)), text);
}

/** On one line, without control characters: they could forge a line or drive a terminal. */
export function printable(text: string): string {
  return text.replace(/[\p{C}\p{Z}\s]+/gu, ' ').trim();
}

/** Shorter ones stand in many words; blanking them would hide the words and show the secret. */
const SECRET_LENGTH_MIN = 4;

/** Shorter segments of a path are words such as `services`, not tokens. */
const TOKEN_LENGTH_MIN = 8;

function decodedPart(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
