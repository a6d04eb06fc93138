/** What a reader of text answers: a value, or what is wrong and how to mend it. */
export type Parsed<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly message: string; readonly hint: string };

export function good<T>(value: T): Parsed<T> {
  return { ok: true, value };
}

export function bad(message: string, hint = ''): Parsed<never> {
  return { ok: false, message, hint };
}
