/**
 * Requests that never wait for others: what supervisors and load balancers ask, who leads, and what
 * senders push. Only these are served on connections beyond the limits.
 */

const READS: ReadonlySet<string> = new Set([
  '/-/healthy',
  '/-/ready',
  '/-/leader',
  '/tocsin/v1/members',
  '/tocsin/v1/status',
]);
const PUSHES: ReadonlySet<string> = new Set(['/api/v2/alerts', '/tocsin/v1/observations']);

export type IsUrgent = (method: string, url: string) => boolean;

/** Judges requests to a server with this prefix; `url` is the path with the query. */
export function urgentUnder(prefix: string): IsUrgent {
  return (method, url) => {
    const [path = ''] = url.split('?', 1);
    if (!path.startsWith(`${prefix}/`)) return false;
    const below = path.slice(prefix.length);
    if (method === 'POST') return PUSHES.has(below);
    return (method === 'GET' || method === 'HEAD') && READS.has(below);
  };
}
