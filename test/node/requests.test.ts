/** What a member has asked the leader for, and when it asks again. */

import { expect, it } from 'vitest';
import { ProposalQueue } from '../../src/io/node/proposals.ts';
import { Requests } from '../../src/io/node/requests.ts';

function asked() {
  const queue = new ProposalQueue();
  const requests = new Requests(queue);
  queue.add([{ kind: 'clock' }], 0, () => undefined);
  const request = requests.next(1_000_000);
  if (request === null) throw new Error('nothing to ask for');
  requests.markSent(request, 'b', 100);
  return { requests, request };
}

it('a leader that says nothing is asked again after two seconds', () => {
  const { requests, request } = asked();
  requests.retryUnanswered('b', 119);
  expect(requests.next(1_000_000)).toBeNull();
  requests.retryUnanswered('b', 120);
  expect(requests.next(1_000_000)).toBe(request);
});

it('a leader that has just been elected and does not take it yet is asked again with the next tick', () => {
  const { requests, request } = asked();
  requests.retryNextTick(request, 103);
  requests.retryUnanswered('b', 103);
  expect(requests.next(1_000_000)).toBeNull();
  requests.retryUnanswered('b', 104);
  expect(requests.next(1_000_000)).toBe(request);
});

it('another leader is asked at once', () => {
  const { requests, request } = asked();
  requests.retryUnanswered('c', 101);
  expect(requests.next(1_000_000)).toBe(request);
});
