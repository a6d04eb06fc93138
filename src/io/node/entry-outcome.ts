/** What became of a proposed entry, as its proposer and as another member hear it. */

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

/** For whoever has proposed it here; `at` is the time of the entry. */
export function proposedOf(fate: EntryOutcome, at: number): Proposed {
  switch (fate.type) {
    case 'applied':
      return { ok: true, index: fate.index, at };
    case 'refused':
      return { ok: false, code: fate.code, message: fate.message };
    case 'unknown':
      return { ok: false, code: 'indeterminate', message: fate.message };
  }
}

/** The same for the member that handed it over. */
export function answerOf(fate: EntryOutcome, at: number): ForwardAnswer {
  switch (fate.type) {
    case 'applied':
      return { result: 'ok', index: fate.index, at };
    case 'refused':
      return { result: fate.code, message: fate.message };
    case 'unknown':
      return { result: 'indeterminate', message: fate.message };
  }
}

/** The frame for the request with this number of a member's start `life`. */
export function forwardedFrame(
  life: number,
  sequence: number,
  { result, index = 0, at = 0, message = '' }: ForwardAnswer,
): ForwardedFrame {
  const text = message.slice(0, ANSWER_CHARACTERS_MAX).toWellFormed();
  return { kind: 'forwarded', life, sequence, result, index, at, message: text };
}
