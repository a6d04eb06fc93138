/** Requests by which a sender can try to stop a member: made here once, for the test and the bench. */

import { gzipSync } from 'node:zlib';

export interface HostileRequest {
  readonly title: string;
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly body?: Uint8Array<ArrayBuffer>;
  readonly isPacked?: boolean;
}

const ALERTS = '/api/v2/alerts';
const READINGS = '/tocsin/v1/observations';
const SILENCES = '/api/v2/silences';
const HEAVY = '(a?){1000}b';

/** `size` is about how many bytes the large ones have. */
export function hostileRequests(size: number): readonly HostileRequest[] {
  const times = (text: string): string => text.repeat(Math.floor(size / text.length));
  const post = (title: string, path: string, body: string): HostileRequest => {
    return { title, method: 'POST', path, body: new Uint8Array(Buffer.from(body)) };
  };
  const packed = (title: string, path: string, body: string): HostileRequest => {
    return { title, method: 'POST', path, body: new Uint8Array(gzipSync(body)), isPacked: true };
  };
  const get = (title: string, query: string): HostileRequest => {
    return { title, method: 'GET', path: `${ALERTS}?${query}` };
  };
  const readings = Array.from(
    { length: Math.min(60_000, size / 100) },
    (_, i) => `hostile.${i}.of.many 1\n`,
  ).join('');
  const alerts = Array.from({ length: size / 600 }, (_, i) => ({
    labels: { alertname: `H${i % 10}`, n: `${i}` },
    annotations: { text: 'x'.repeat(480) },
  }));
  const labels = (count: number, text: string): object =>
    Object.fromEntries(Array.from({ length: count }, (_, i) => [`l${i}`, text]));
  const silence = (matchers: readonly object[]): string =>
    JSON.stringify({
      matchers,
      startsAt: '2024-01-01T00:00:00Z',
      endsAt: '2099-01-01T00:00:00Z',
      createdBy: 'h',
      comment: 'h',
    });
  return [
    packed('gzip of empty alerts', ALERTS, `[${times('{},')}{}]`),
    packed('gzip of small alerts', ALERTS, `[${times('{"labels":{"a":"b"}},')}{}]`),
    packed('gzip of more than a body may have', ALERTS, '['.repeat(4 * size)),
    post('valid alerts', ALERTS, JSON.stringify(alerts)),
    post('valid readings', READINGS, readings),
    post('one reading, again and again', READINGS, times('a 1\n')),
    post('a line that never ends', READINGS, times('a ')),
    post('lists in lists', ALERTS, times('[')),
    post('objects in objects', ALERTS, `[${times('{"a":')}`),
    post('one label', ALERTS, `[{"labels":{"a":"${times('x')}"}}]`),
    post('labels without end', ALERTS, `[{"labels":{${times('"a":"b",')}"c":"d"}}]`),
    post('a number', READINGS, `[{"series":"a","value":${times('9')}}]`),
    post('escapes', ALERTS, `[{"labels":{"a":"${times('\\u0041')}"}}]`),
    post('repeated keys', ALERTS, `[{${times('"a":1,')}"a":1}]`),
    post(
      'alerts with long labels',
      ALERTS,
      JSON.stringify([{ labels: labels(40, 'a'.repeat(60_000)) }]),
    ),
    post(
      'alerts with labels as long as may be',
      ALERTS,
      JSON.stringify([{ labels: labels(200, 'a'.repeat(4_096)) }]),
    ),
    post(
      'a silence with a heavy expression',
      SILENCES,
      silence([{ name: 'l1', value: HEAVY, isRegex: true }]),
    ),
    post(
      'a silence with many',
      SILENCES,
      silence(
        Array.from({ length: 100 }, (_, i) => ({
          name: `l${i}`,
          value: '.*a[ab]{200}',
          isRegex: true,
        })),
      ),
    ),
    post('a silence that is large', SILENCES, silence([{ name: 'l1', value: times('x') }])),
    get('a heavy filter', `filter=${encodeURIComponent(`l1=~"${HEAVY}"`)}`),
    get(
      'a filter of optional letters',
      `filter=${encodeURIComponent(`l1=~"${'ab?'.repeat(2_500)}"`)}`,
    ),
    get('a heavy receiver', `receiver=${encodeURIComponent(HEAVY)}`),
  ];
}

export async function sendHostile(
  url: string,
  { body, isPacked, method, path }: HostileRequest,
): Promise<number> {
  const headers = isPacked === true ? { 'content-encoding': 'gzip' } : undefined;
  try {
    const answer = await fetch(`${url}${path}`, {
      method,
      ...(body === undefined ? {} : { body }),
      ...(headers === undefined ? {} : { headers }),
    });
    await answer.arrayBuffer();
    return answer.status;
  } catch {
    // A server may close the connection of a body that it refuses.
    return 0;
  }
}
