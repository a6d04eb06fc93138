/**
 * Where our answer is meant to differ from that of Alertmanager 0.25. docs/alertmanager.md lists the
 * same differences with their reasons; the comparison fails on any other.
 */

import type { Answered, Sent } from './oracle.ts';

export interface Case {
  readonly sent: Sent;
  readonly theirs: Answered;
  readonly ours: Answered;
  /** Whether our server takes names as the newer versions do. */
  readonly isModern: boolean;
}

export interface Difference {
  /** Its name in docs/alertmanager.md. */
  readonly name: string;
  readonly explains: (each: Case) => boolean;
}

const isTaken = ({ status }: Answered): boolean => status === 200;
const isRefused = ({ status }: Answered): boolean => status >= 400 && status < 500;
const bodyText = ({ body }: Sent): string => (typeof body === 'string' ? body : '');
const isPost = ({ sent }: Case, path: string): boolean =>
  sent.method === 'POST' && sent.path.replace(/\/$/, '') === `/api/v2/${path}`;

/** Differences in whether a request is taken, and with which status. The first that explains counts. */
export const STATUS_DIFFERENCES: readonly Difference[] = [
  {
    name: 'validation-status',
    explains: ({ theirs, ours, sent }) =>
      theirs.status === 422 && ours.status === (sent.path.includes('/silence/') ? 404 : 400),
  },
  {
    name: 'silence-annotations',
    explains: (each) =>
      isPost(each, 'silences') && isTaken(each.theirs) && each.ours.text.includes('"annotations: '),
  },
  {
    name: 'order-of-checks',
    explains: (each) =>
      isPost(each, 'silences') &&
      [400, 404, 422].includes(each.theirs.status) &&
      [400, 404].includes(each.ours.status),
  },
  {
    name: 'unknown-silence',
    explains: ({ theirs, ours, sent }) =>
      sent.method === 'DELETE' && theirs.status === 500 && ours.status === 404,
  },
  {
    name: 'media-types',
    explains: ({ theirs, ours, sent }) => {
      const isStrict = theirs.status === 415 || theirs.status === 406;
      const isMalformed = theirs.text.includes('Content-Type header');
      return (isStrict || isMalformed) && ours.status !== 0 && !sent.path.includes('nope');
    },
  },
  {
    name: 'compressed-bodies',
    explains: ({ ours, sent }) => 'Content-Encoding' in sent.headers && isTaken(ours),
  },
  {
    name: 'more-methods',
    explains: ({ theirs, sent }) =>
      (sent.method === 'HEAD' && theirs.status === 405) ||
      (sent.method === 'OPTIONS' && (theirs.status === 405 || theirs.status === 404)),
  },
  {
    name: 'redirects',
    explains: ({ theirs, ours }) =>
      theirs.status === 301 && ours.status === 308 && theirs.location === ours.location,
  },
  {
    name: 'escaped-paths',
    explains: ({ theirs, sent }) => sent.path.includes('%65') && theirs.status === 404,
  },
  {
    name: 'api-v1',
    explains: ({ ours, sent }) => sent.path.includes('/v1/') && ours.status === 410,
  },
  {
    name: 'links',
    explains: ({ theirs, ours }) => theirs.text.includes('generatorURL in body') && isTaken(ours),
  },
  {
    name: 'null-items',
    explains: ({ theirs, ours, sent }) =>
      theirs.status === 0 && ours.status === 400 && bodyText(sent).includes('null'),
  },
  {
    name: 'text-after-the-body',
    explains: ({ theirs, ours }) =>
      isTaken(theirs) && /after JSON at position|stands behind the list/.test(ours.text),
  },
  {
    name: 'required-fields',
    explains: (each) =>
      isPost(each, 'silences') &&
      /(?:isRegex|comment|createdBy) in body is required/.test(each.theirs.text) &&
      isTaken(each.ours),
  },
  {
    name: 'zero-start',
    explains: (each) =>
      isPost(each, 'silences') &&
      isTaken(each.theirs) &&
      each.ours.text.includes('startsAt is missing'),
  },
  {
    name: 'empty-times',
    explains: (each) =>
      /"(?:starts|ends)At":""/i.test(bodyText(each.sent)) && isRefused(each.theirs),
  },
  {
    name: 'milliseconds',
    explains: (each) =>
      isPost(each, 'alerts') &&
      each.theirs.text.includes('start time must be before end time') &&
      isTaken(each.ours) &&
      /:\d\d[.,]\d{4}/.test(bodyText(each.sent)),
  },
  {
    name: 'last-days-of-9999',
    explains: (each) =>
      isPost(each, 'silences') &&
      each.theirs.text.includes('after 10000-01-01') &&
      isTaken(each.ours),
  },
  {
    name: 'braces',
    explains: ({ theirs, ours, sent }) =>
      sent.path.includes('filter=%7B') && theirs.status === 400 && isTaken(ours),
  },
  {
    name: 'bytes-in-queries',
    explains: ({ theirs, sent }) => sent.path.includes('receiver=%ff') && theirs.status === 400,
  },
  {
    name: 'utf8-names',
    explains: ({ theirs, ours, isModern }) =>
      isModern &&
      theirs.status === 400 &&
      isTaken(ours) &&
      /invalid (?:label )?name|bad matcher format/.test(theirs.text),
  },
];

/** Differences in what is stored or shown although both servers answered alike. */
export const CONTENT_DIFFERENCES: readonly Difference[] = [
  {
    // What is refused as a whole there costs only itself here.
    name: 'bad-alerts-of-a-batch',
    explains: (each) => isPost(each, 'alerts') && isRefused(each.theirs) && isRefused(each.ours),
  },
  {
    // It has ended the older silence before it looks at the one that replaces it.
    name: 'refused-replacements',
    explains: (each) =>
      isPost(each, 'silences') &&
      each.theirs.status === 400 &&
      isRefused(each.ours) &&
      /"id":"[\w-]+"/i.test(bodyText(each.sent)),
  },
  {
    name: 'empty-times',
    explains: ({ sent }) => /"(?:starts|ends)At":""/i.test(bodyText(sent)),
  },
  {
    name: 'silence-states',
    explains: ({ sent }) => /\/silences\/?\?(?:.*&)?active/.test(sent.path),
  },
  {
    name: 'fields-given-twice',
    explains: ({ sent }) => /"labels".*"labels"/.test(bodyText(sent)),
  },
  {
    name: 'before-1970',
    explains: ({ sent }) => /"(?:starts|ends)At":"(?:0|19[0-6])/i.test(bodyText(sent)),
  },
];
