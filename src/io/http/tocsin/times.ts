/** Times of our own API: RFC 3339 with milliseconds, and null for "not set". */

export function timeOrNull(epochMs: number): string | null {
  return epochMs === 0 ? null : new Date(epochMs).toISOString();
}
