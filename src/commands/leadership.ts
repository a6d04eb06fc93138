/**
 * `clock` and `lead`: what the log must know of time and of who kept it.
 *
 * `clock` carries nothing but the `at` of its entry: it is appended when a deadline has come and
 * no other command is there to carry the time. `lead` is the first command of a new leader, and of
 * one that was away (suspended, or its clock leapt), so that the time in which nobody listened is
 * not taken for silence of the monitors.
 */

import { LIMITS } from './limits.ts';
import { offset, record, text, time, type Since2 } from './schema.ts';

export const clockSchema = record({});

export type Clock = { readonly kind: 'clock' };

export const leadSchema = record({
  node: text(LIMITS.name),
  /** Since when nobody listened: the `at` of the last sign of a leader; 0 in an empty log. */
  previousAt: time,
  /** How much of the time since then has not passed at all: log time was set forward by as much. */
  stepMs: offset,
});

export type Lead = { readonly kind: 'lead' } & Since2<typeof leadSchema, 'stepMs'>;
