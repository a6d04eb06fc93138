/**
 * What each route needs. A route that is not here needs `admin`, and fails a test.
 */

import type { Scope } from './web-settings.ts';

/** By method and path, without the prefix. `public` needs no credential: probes send none. */
export const ROUTE_SCOPES: Readonly<Record<string, Scope | 'public'>> = {
  'GET /-/healthy': 'public',
  'GET /-/ready': 'public',
  'GET /-/leader': 'read',
  'POST /-/reload': 'admin',
  'GET /metrics': 'read',
  'GET /': 'read',
  'GET /assets/:name': 'read',
  'GET /api/v2/status': 'read',
  'GET /api/v2/receivers': 'read',
  'GET /api/v2/alerts': 'read',
  'GET /api/v2/alerts/groups': 'read',
  'POST /api/v2/alerts': 'push',
  'GET /api/v2/silences': 'read',
  'POST /api/v2/silences': 'silence',
  'GET /api/v2/silence/:id': 'read',
  'DELETE /api/v2/silence/:id': 'silence',
  'POST /tocsin/v1/observations': 'push',
  'GET /tocsin/v1/status': 'read',
  'GET /tocsin/v1/backup': 'admin',
  // It names users, tokens and addresses.
  'GET /tocsin/v1/audit': 'admin',
  'GET /tocsin/v1/config': 'read',
  'GET /tocsin/v1/members': 'read',
  'DELETE /tocsin/v1/members/:node': 'admin',
  'POST /tocsin/v1/leader': 'admin',
  'GET /tocsin/v1/notifications': 'read',
  'GET /tocsin/v1/explain': 'read',
  'GET /tocsin/v1/events': 'read',
};

/** The key of {@link ROUTE_SCOPES} for a route below `prefix`. */
export function routeKey(prefix: string, method: string, path: string): string {
  const below = path.startsWith(prefix) ? path.slice(prefix.length) : path;
  return `${method} ${below === '' ? '/' : below}`;
}
