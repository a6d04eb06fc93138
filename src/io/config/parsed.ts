/** The result of reading a text: a value, or what is wrong and how to fix it. */
export type Parsed<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly message: string; readonly hint: string };

export function good<T>(value: T): Parsed<T> {
  return { ok: true, value };
}

export function bad(message: string, hint = ''): Parsed<never> {
  return { ok: false, message, hint };
}
