/** What becomes of the connections of the HTTP port. */

import { Counter, Gauge, type Registry } from 'prom-client';

export interface ConnectionReasons {
  readonly refused: readonly string[];
  readonly closed: readonly string[];
}

export function connectionCounters(reasons: ConnectionReasons, registers: Registry[]) {
  const refused = new Counter({
    name: 'tocsin_http_connections_refused_total',
    help: 'Connections to the HTTP port that were refused, by reason.',
    labelNames: ['reason'],
    registers,
  });
  for (const reason of reasons.refused) refused.inc({ reason }, 0);
  const closed = new Counter({
    name: 'tocsin_http_connections_closed_total',
    help: 'HTTP connections, and HTTP/2 streams, that this node closed before their client did, by reason.',
    labelNames: ['reason'],
    registers,
  });
  for (const reason of reasons.closed) closed.inc({ reason }, 0);
  const open = new Gauge({
    name: 'tocsin_http_connections',
    help: 'Open connections of the HTTP port, of at most 1,024 and 64 in reserve.',
    registers,
  });
  return { refused, closed, open };
}
