/** The head of a request as it is written. */

import { validateHeaderName, validateHeaderValue } from 'node:http';

export type Headers = Readonly<Record<string, string | readonly string[]>>;

/** Throws when a name or a value would end its line or begin another. */
export function headText(requestLine: string, headers: Headers): Buffer {
  const lines = [requestLine];
  for (const [name, values] of Object.entries(headers)) {
    validateHeaderName(name);
    for (const value of typeof values === 'string' ? [values] : values) {
      validateHeaderValue(name, value);
      lines.push(`${name}: ${value}`);
    }
  }
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
}
