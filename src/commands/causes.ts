/**
 * Why an alert is withheld: the one list of causes, with how each is stored and shown.
 *
 * Promise: a kind that is added here makes the compiler ask for its suppressor. The stored form is a
 * text that every build reads, so a new kind needs no version of a command or of the fold.
 */

/**
 * `stored` is the part of the recorded text before the colon, and never changes. `words` introduce the
 * subject for people. `field` is the list of Alertmanager's API v2 that names the subject.
 */
const CAUSES = {
  /** The subject is the fingerprint of the alert that inhibits. */
  inhibition: { stored: 'inhibited', words: 'inhibited by', field: 'inhibitedBy' },
  /** The subject is the name of the time interval; `outside NAME` for an active interval. */
  interval: { stored: 'interval', words: 'interval', field: 'mutedBy' },
  /** The subject is the id of the silence. */
  silence: { stored: 'silence', words: 'silence', field: 'silencedBy' },
} as const;

export type CauseKind = keyof typeof CAUSES;

export interface Cause {
  readonly kind: CauseKind;
  /** What exactly withholds: see the kinds above. */
  readonly subject: string;
}

/** The form in which decisions record a cause: `silence:<id>`. */
export function causeText({ kind, subject }: Cause): string {
  return `${CAUSES[kind].stored}:${subject}`;
}

/** In words: `inhibited by 0123456789abcdef`. */
export function causeWords({ kind, subject }: Cause): string {
  return `${CAUSES[kind].words} ${subject}`;
}

/** Causes as the fields of our API and of Alertmanager's, each a list of subjects. */
export type CausesByField = Readonly<
  Record<(typeof CAUSES)[CauseKind]['field'], readonly string[]>
>;

/** The subjects of causes by the field that names them, in the order of the causes. */
export function causesByField(causes: readonly Cause[]): CausesByField {
  const fields: Record<keyof CausesByField, string[]> = {
    inhibitedBy: [],
    mutedBy: [],
    silencedBy: [],
  };
  for (const { kind, subject } of causes) fields[CAUSES[kind].field].push(subject);
  return fields;
}
