/** Times and texts as people read them on a page. */

import { html, type Markup } from './markup.ts';

/** `42 s`, `3 m 10 s`, `2 h 5 m`, `4 d 3 h`: the two largest units of a span in milliseconds. */
export function spanText(ms: number): string {
  const seconds = Math.round(Math.abs(ms) / 1000);
  const units = [
    [Math.floor(seconds / 86_400), 'd'],
    [Math.floor(seconds / 3_600) % 24, 'h'],
    [Math.floor(seconds / 60) % 60, 'm'],
    [seconds % 60, 's'],
  ] as const;
  const first = units.findIndex(([count]) => count > 0);
  if (first < 0) return '0 s';
  const shown = units.slice(first, first + 2).filter(([count]) => count > 0);
  return shown.map(([count, unit]) => `${count} ${unit}`).join(' ');
}

/** A moment by its distance from now, with the moment itself for whoever points at it. */
export function timeElement(at: number, now: number): Markup {
  const exact = new Date(at).toISOString();
  const distance = Math.abs(at - now) < 500 ? 'now' : spanText(at - now);
  const words = distance === 'now' ? 'now' : at > now ? `in ${distance}` : `${distance} ago`;
  return html`<time datetime="${exact}" title="${exact}">${words}</time>`;
}

/** Characters of one text on the page: a label may hold 64 KiB. */
const TEXT_MAX = 240;

/** A text of somebody else: cut, and kept from turning the direction of the text around it. */
export function untrusted(text: string): Markup {
  const cut = text.length > TEXT_MAX ? `${text.slice(0, TEXT_MAX).toWellFormed()}…` : text;
  return html`<bdi>${cut}</bdi>`;
}
