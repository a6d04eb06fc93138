/**
 * Metrics that are read from the node and its state at each scrape: role, indexes, sizes, alerts by
 * state. They cost nothing between two scrapes.
 */

import { Gauge, type Registry } from 'prom-client';
import type { FitnessReport, NodeHandle, Role } from '../ports.ts';
import { stateCounter } from './state-counts.ts';

const ROLES: readonly Role[] = ['follower', 'candidate', 'leader', 'learner'];

/** Registers them; from then on each scrape asks `node`. */
export function nodeGauges(node: NodeHandle, registers: Registry[]): void {
  const numbers: Readonly<Record<string, readonly [help: string, read: () => number]>> = {
    tocsin_ready: [
      'Whether a leader is known and what was committed at the start is applied.',
      () => (node.ready() ? 1 : 0),
    ],
    tocsin_raft_term: ['The current term.', () => node.status().term],
    tocsin_raft_commit_index: [
      'The last log index that is known to be committed.',
      () => node.status().commitIndex,
    ],
    tocsin_raft_applied_index: [
      'The last log index that is folded into the state.',
      () => node.status().appliedIndex,
    ],
    tocsin_snapshot_index: [
      'The log index of the newest snapshot.',
      () => node.status().snapshotIndex,
    ],
    tocsin_members: ['Members of the cluster.', () => node.status().members.length],
    tocsin_series: [
      'Series that have a name in the state.',
      () => node.view().state.facts.seriesCount,
    ],
    tocsin_groups: ['Groups of alerts.', () => node.view().state.groups.size],
  };
  for (const [name, [help, read]] of Object.entries(numbers)) {
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
  }
  new Gauge({
    name: 'tocsin_raft_role',
    help: 'The role of this node: 1 for the one it has, 0 for the others.',
    labelNames: ['role'],
    registers,
    collect() {
      const { role } = node.status();
      for (const each of ROLES) this.set({ role: each }, each === role ? 1 : 0);
    },
  });
  fitnessGauges(node, registers);
  stateGauges(node, registers);
}

/** Of each member, as it said last: whoever scrapes one node sees which of them could lead. */
function fitnessGauges(node: NodeHandle, registers: Registry[]): void {
  const figures: Readonly<
    Record<string, readonly [help: string, read: (fitness: FitnessReport) => number | null]>
  > = {
    tocsin_member_sync_seconds: [
      'What recent syncs of the disk of a member take; left out where there were none.',
      ({ syncMs }) => (syncMs === null ? null : syncMs / 1_000),
    ],
    tocsin_member_event_loop_lag_seconds: [
      'How late the event loop of a member is.',
      ({ lagMs }) => lagMs / 1_000,
    ],
    tocsin_member_free_descriptors: [
      'File descriptors that a member may still open; left out where the system does not say.',
      ({ descriptorsFree }) => descriptorsFree,
    ],
    tocsin_member_unreachable_integrations: [
      'Integrations to which a member could not connect, of those that it tried lately.',
      ({ unreachable }) => unreachable.length,
    ],
  };
  for (const [name, [help, read]] of Object.entries(figures)) {
    new Gauge({
      name,
      help,
      labelNames: ['member'],
      registers,
      collect() {
        this.reset();
        for (const { fitness, name: member } of node.status().members) {
          const value = fitness === null ? null : read(fitness);
          if (value !== null) this.set({ member }, value);
        }
      },
    });
  }
}

function stateGauges(node: NodeHandle, registers: Registry[]): void {
  const tables = [
    ['tocsin_alerts', 'Alerts by state.', 'alerts', 'state'],
    ['tocsin_silences', 'Silences by state.', 'silences', 'state'],
    [
      'tocsin_notifications',
      'Notifications that can be looked at, by status.',
      'notifications',
      'status',
    ],
  ] as const;
  const countsOf = stateCounter();
  for (const [name, help, table, label] of tables) {
    new Gauge({
      name,
      help,
      labelNames: [label],
      registers,
      collect() {
        const view = node.view();
        const counts = countsOf(view.state, node.time().at)[table];
        for (const [word, count] of Object.entries(counts)) this.set({ [label]: word }, count);
      },
    });
  }
}
