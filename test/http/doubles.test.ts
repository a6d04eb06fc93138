/** What comes twice in one body, and bodies of which only a part was committed. */

import { expect, it } from 'vitest';
import { HTTP_LIMITS } from '../../src/io/http/limits.ts';
import { check, config } from '../support/scenario-config.ts';
import { openDesk } from './harness.ts';

it('a series twice in one body is judged twice, in the order of the body', async () => {
  const checks = [check({ series: 'servers.*.cpu' })];
  const desk = await openDesk({}, config({ checks }));
  await desk.post('/tocsin/v1/observations', 'servers.a.cpu 1\nservers.a.cpu 99');
  await desk.post('/tocsin/v1/observations', 'servers.b.cpu 99\nservers.b.cpu 1');
  expect((await desk.get('/api/v2/alerts')).json()).toMatchObject([
    { labels: { series: 'servers.a.cpu' } },
  ]);
});

it('an alert twice in one push is one alert, as the last one says', async () => {
  const desk = await openDesk();
  const labels = { alertname: 'Twice' };
  await desk.post('/api/v2/alerts', [
    { labels, annotations: { summary: 'first' } },
    { labels, annotations: { summary: 'last' } },
  ]);
  expect((await desk.get('/api/v2/alerts')).json()).toMatchObject([
    { labels, annotations: { summary: 'last' } },
  ]);
});

it('of a body that was committed in part only the rest counts as lost', async () => {
  const desk = await openDesk();
  const propose = desk.node.propose.bind(desk.node);
  desk.node.propose = (commands) => {
    const answer = propose(commands);
    desk.node.refusal = { ok: false, code: 'busy', message: 'the queue is full' };
    return answer;
  };
  const readings = Array.from({ length: HTTP_LIMITS.readingsPerCommand + 3 }, (_, i) => `a ${i}`);
  const answer = await desk.post('/tocsin/v1/observations', readings.join('\n'));
  expect(answer.status).toBe(503);
  const { text } = await desk.get('/metrics');
  expect(text).toContain('tocsin_observations_dropped_total{reason="not-committed"} 3');
});
