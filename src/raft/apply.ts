/**
 * Handing committed entries to the state machine, a page at a time.
 *
 * Promise: entries come in order, once, and only when committed and on this disk; at most
 * `applyInflightBytesMax` are emitted and unanswered, so a slow state machine holds no memory.
 */

import { emit } from './emit.ts';
import { entryBytes } from './limits.ts';
import type { RaftState } from './state.ts';
import type { Entry } from './types.ts';

/** No read has this id: the last one failed and is repeated on the next tick. */
const FETCH_AGAIN = 0;

export function emitCommitted(state: RaftState): void {
  emitSnapshot(state);
  if (state.install !== null) return;
  const upTo = Math.min(state.commit, state.log.durableIndex);
  while (state.applying < upTo && state.fetchId === null && hasRoom(state)) {
    const from = state.applying + 1;
    const entries = state.log.slice(from, upTo, state.limits.applyBytesMax);
    if (entries === undefined) return fetch(state, from, upTo);
    page(state, entries);
  }
}

/** Old entries that the host has read. */
export function emitFetched(state: RaftState, entries: readonly Entry[]): void {
  const last = entries.at(-1);
  const usable = last !== undefined && last.index <= state.commit;
  if (usable && state.log.agreesWith(state.applying + 1, entries)) {
    state.fetchId = null;
    page(state, entries);
  } else {
    state.fetchId = FETCH_AGAIN;
  }
}

/** On a tick: a read that the disk could not do is requested again, but not in a tight loop. */
export function retryFetch(state: RaftState): void {
  if (state.fetchId === FETCH_AGAIN) state.fetchId = null;
}

export function onApplied(state: RaftState, index: number): void {
  if (index > state.applying) {
    throw new Error(`raft: ${index} was applied, but only ${state.applying} was emitted`);
  }
  state.applied = Math.max(state.applied, index);
  state.applyInflight = state.applyInflight.filter((handed) => handed.last > index);
}

function emitSnapshot(state: RaftState): void {
  const { install } = state;
  if (install === null || state.log.durableIndex < install.index) return;
  state.install = null;
  state.applying = install.index;
  emit(state, { type: 'installSnapshot', snapshot: install });
}

function page(state: RaftState, entries: readonly Entry[]): void {
  const last = entries.at(-1)?.index ?? state.applying;
  const bytes = entries.reduce((sum, entry) => sum + entryBytes(entry), 0);
  state.applying = last;
  state.applyInflight.push({ last, bytes });
  emit(state, { type: 'apply', entries });
}

function hasRoom(state: RaftState): boolean {
  const handed = state.applyInflight.reduce((sum, page) => sum + page.bytes, 0);
  return handed < state.limits.applyInflightBytesMax;
}

function fetch(state: RaftState, from: number, upTo: number): void {
  state.fetchId = ++state.lastFetchId;
  emit(state, {
    type: 'readEntries',
    id: state.fetchId,
    from,
    to: Math.min(upTo, state.log.windowFirst - 1),
    bytesMax: state.limits.applyBytesMax,
  });
}
