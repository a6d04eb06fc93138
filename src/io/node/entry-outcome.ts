/** What became of a proposed entry, in the answer to its proposer and to another member. */

import type { Proposed } from '../ports.ts';
import type { Frame } from './wire.ts';

type ForwardedFrame = Extract<Frame, { kind: 'forwarded' }>;
const ANSWER_CHARACTERS_MAX = 4_096;

/** What became of an entry. */
export type EntryOutcome =
  | { readonly type: 'applied'; readonly index: number }
  | {
      readonly type: 'refused';
      readonly code: 'not-leader' | 'busy' | 'malformed';
      readonly message: string;
    }
  | { readonly type: 'unknown'; readonly message: string };

export type ForwardAnswer = Pick<ForwardedFrame, 'result'> &
  Partial<Pick<ForwardedFrame, 'index' | 'at' | 'message'>>;

/** For a proposer of this node; `at` is the time of the entry. */
export function proposedOf(outcome: EntryOutcome, at: number): Proposed {
  switch (outcome.type) {
    case 'applied':
      return { ok: true, index: outcome.index, at };
    case 'refused':
      return { ok: false, code: outcome.code, message: outcome.message };
    case 'unknown':
      return { ok: false, code: 'indeterminate', message: outcome.message };
  }
}

/** The same for the member that handed it over. */
export function answerOf(outcome: EntryOutcome, at: number): ForwardAnswer {
  switch (outcome.type) {
    case 'applied':
      return { result: 'ok', index: outcome.index, at };
    case 'refused':
      return { result: outcome.code, message: outcome.message };
    case 'unknown':
      return { result: 'indeterminate', message: outcome.message };
  }
}

/** The frame for a request of a member, by its number and the member's incarnation `life`. */
export function forwardedFrame(
  life: number,
  sequence: number,
  { result, index = 0, at = 0, message = '' }: ForwardAnswer,
): ForwardedFrame {
  const text = message.slice(0, ANSWER_CHARACTERS_MAX).toWellFormed();
  return { kind: 'forwarded', life, sequence, result, index, at, message: text };
}
