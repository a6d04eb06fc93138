/** `/metrics`: the names that dashboards hang on, and what moves them. */

import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { receiver } from '../support/scenario-config.ts';
import { NOON, openDesk, type Desk } from './harness.ts';

async function scrape(desk: Desk): Promise<string> {
  const answer = await desk.get('/metrics');
  expect(answer.status).toBe(200);
  expect(answer.headers.get('content-type')).toContain('version=0.0.4');
  return answer.text;
}

const hasPromtool = spawnSync('promtool', ['--version']).status === 0;

describe('GET /metrics', () => {
  it('every contract name and every label set is there from the first scrape', async () => {
    const desk = await openDesk();
    const text = await scrape(desk);
    for (const line of [
      'tocsin_observations_applied_total 0',
      'tocsin_observations_dropped_total{reason="queue-full"} 0',
      'tocsin_raft_role{role="leader"} 1',
      'tocsin_raft_role{role="follower"} 0',
      'tocsin_raft_term 1',
      'tocsin_raft_commit_index 1',
      'tocsin_raft_applied_index 1',
      'tocsin_notifications_total{integration="webhook",outcome="delivered"} 0',
      'tocsin_notifications_total{integration="webhook",outcome="retry"} 0',
      'tocsin_notifications_total{integration="webhook",outcome="rejected"} 0',
      'tocsin_notifications_total{integration="webhook",outcome="unknown"} 0',
      'tocsin_notifications_unreadable_total{integration="webhook"} 0',
      'tocsin_leadership_transfers_total{reason="receivers"} 0',
      'tocsin_leadership_transfers_total{reason="descriptors"} 0',
      'tocsin_leadership_transfers_total{reason="disk"} 0',
      'tocsin_leadership_transfers_total{reason="event loop"} 0',
      'tocsin_append_seconds_count 0',
      'tocsin_snapshot_seconds_count 0',
      'tocsin_alerts{state="firing"} 0',
      'tocsin_silences{state="active"} 0',
      'tocsin_config_last_reload_successful 0',
    ]) {
      expect(text).toContain(`\n${line}\n`);
    }
  });

  it('a member shows how fit it is to lead, as far as it knows', async () => {
    const desk = await openDesk();
    expect(await scrape(desk)).not.toContain('tocsin_member_sync_seconds{');
    const unreachable = ['team/webhook[0]', 'team/webhook[1]'];
    desk.node.fitness = { syncMs: 250, lagMs: 12, descriptorsFree: 9, unreachable, ageMs: 0 };
    const text = await scrape(desk);
    for (const line of [
      'tocsin_member_sync_seconds{member="n1"} 0.25',
      'tocsin_member_event_loop_lag_seconds{member="n1"} 0.012',
      'tocsin_member_free_descriptors{member="n1"} 9',
      'tocsin_member_unreachable_integrations{member="n1"} 2',
    ]) {
      expect(text).toContain(`\n${line}\n`);
    }
    const [syncMs, descriptorsFree] = [null, null];
    desk.node.fitness = { ...desk.node.fitness, syncMs, descriptorsFree };
    expect(await scrape(desk)).not.toMatch(/tocsin_member_(sync_seconds|free_descriptors)\{/);
  });

  it('karma finds a version of Alertmanager that it can talk to', async () => {
    const desk = await openDesk();
    const [, major, minor] =
      /^alertmanager_build_info\{.*version="(\d+)\.(\d+)\.\d+".*\} 1$/m.exec(await scrape(desk)) ??
      [];
    expect([Number(major), Number(minor)]).toEqual([0, 28]);
  });

  it.skipIf(!hasPromtool)('promtool finds nothing to say', async () => {
    const desk = await openDesk();
    const { status, stderr } = spawnSync('promtool', ['check', 'metrics'], {
      input: await scrape(desk),
    });
    expect(stderr.toString()).toBe('');
    expect(status).toBe(0);
  });

  it('what the state holds is counted by its status', async () => {
    const desk = await openDesk({}, { receivers: [receiver('team')] });
    await desk.post('/api/v2/alerts', [
      { labels: { alertname: 'Fires' } },
      { labels: { alertname: 'Over' }, endsAt: new Date(NOON - 1).toISOString() },
      {},
    ]);
    desk.clock.advance(30_000);
    desk.node.decide();
    const text = await scrape(desk);
    for (const line of [
      'tocsin_alerts{state="firing"} 1',
      'tocsin_alerts{state="resolved"} 1',
      'tocsin_notifications{status="owed"} 1',
      'tocsin_alerts_received_total 2',
      'tocsin_alerts_invalid_total 1',
    ]) {
      expect(text).toContain(`\n${line}\n`);
    }
  });

  it('readings, tries, appends, snapshots and reloads move their metrics', async () => {
    const desk = await openDesk();
    const { metrics } = desk;
    const ids = Int32Array.of(-1, -1, -1);
    const values = Float64Array.of(1, 2, 3);
    const notification = '7.0';
    const outcome = {
      kind: 'outcome',
      notification,
      try: 1,
      status: 503,
      detail: '',
      tookMs: 5,
    } as const;
    metrics.applied({
      index: 8,
      batch: {
        at: NOON,
        commands: [
          { kind: 'observe', source: 'carbon', names: ['a'], ids, values },
          { ...outcome, result: 'retry' },
          { ...outcome, notification: '6.0', result: 'delivered' },
        ],
      },
      // The fold took the first outcome and ignored the second.
      transitions: [
        {
          kind: 'notification',
          id: notification,
          integration: 'team/a/webhook[0]',
          group: 'g',
          status: 'owed',
          detail: '',
        },
      ],
    });
    metrics.appended(0.003);
    metrics.watchDrops(() => ({ 'queue-full': 4, 'bad-line': 1 }));
    metrics.readingsDropped('queue-full', 2);
    metrics.configReloaded(true, NOON);
    metrics.configReloaded(false, NOON + 1);
    const text = await scrape(desk);
    for (const line of [
      'tocsin_observations_applied_total 3',
      'tocsin_notifications_total{integration="webhook",outcome="retry"} 1',
      'tocsin_notifications_total{integration="webhook",outcome="delivered"} 0',
      'tocsin_append_seconds_bucket{le="0.005"} 1',
      'tocsin_append_seconds_bucket{le="0.002"} 0',
      'tocsin_observations_dropped_total{reason="queue-full"} 6',
      'tocsin_observations_dropped_total{reason="bad-line"} 1',
      'tocsin_config_last_reload_successful 0',
      `tocsin_config_last_reload_success_timestamp_seconds ${NOON / 1000}`,
    ]) {
      expect(text).toContain(`\n${line}\n`);
    }
  });
});
