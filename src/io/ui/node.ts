/** The node and its cluster at a glance. */

import type { FitnessReport, MemberStatus, PageFacts } from '../ports.ts';
import { html, type Markup, type Part } from './markup.ts';
import { section } from './section.ts';
import { untrusted, timeElement } from './words.ts';

export function nodeSection({ status, view, isReady, now }: PageFacts): Markup {
  const { state } = view;
  const facts: readonly (readonly [name: string, value: Part])[] = [
    ['Node', html`${untrusted(status.name)} <span class="why">${status.nodeId}</span>`],
    ['State', isReady ? '● ready' : '○ not ready'],
    ['Role', status.shadow ? html`${status.role}, shadow: it notifies nobody` : status.role],
    ['Leader', status.leader === null ? '✗ none known' : untrusted(status.leader)],
    ['Term', status.term],
    ['Log', `${status.firstIndex} to ${status.lastIndex}`],
    ['Committed, applied', `${status.commitIndex}, ${status.appliedIndex}`],
    ['Snapshot at', status.snapshotIndex === 0 ? 'none yet' : status.snapshotIndex],
    ['Started', timeElement(status.startedAt, now)],
    ['Series', state.facts.seriesCount],
    ['Silences', state.silences.size],
    ['Configuration', configuration(view)],
  ];
  return html`<section aria-labelledby="node">
      <h2 id="node">Node</h2>
      <dl class="facts">
        ${facts.map(
          ([name, value]) =>
            html`<div>
              <dt>${name}</dt>
              <dd>${value}</dd>
            </div>`,
        )}
      </dl>
    </section>
    ${section({
      id: 'members',
      title: 'Members',
      columns: ['Name', 'Role', 'Peers', 'HTTP', 'Fitness'],
      items: status.members,
      rowsMax: status.members.length,
      row: memberRow,
      empty: 'This node knows of no member.',
    })}`;
}

function memberRow({ name, role, peerAddress, httpAddress, fitness }: MemberStatus): Markup {
  return html`<tr>
    <td data-name="Name">${untrusted(name)}</td>
    <td data-name="Role">${role === 'leader' ? '★ leader' : role}</td>
    <td data-name="Peers"><code>${untrusted(peerAddress)}</code></td>
    <td data-name="HTTP"><code>${untrusted(httpAddress)}</code></td>
    <td data-name="Fitness">${fitnessText(fitness)}</td>
  </tr>`;
}

/** What decides whether a leader could be replaced by this member, or would be. */
function fitnessText(fitness: FitnessReport | null): Part {
  if (fitness === null) return 'not known';
  const { descriptorsFree, lagMs, syncMs, unreachable } = fitness;
  const parts = [
    syncMs === null ? 'no recent sync' : `sync ${syncMs} ms`,
    `event loop ${lagMs} ms late`,
    ...(descriptorsFree === null ? [] : [`${descriptorsFree} descriptors free`]),
  ];
  if (unreachable.length === 0) return parts.join(', ');
  return html`${parts.join(', ')},
    <strong>✗ cannot reach ${untrusted(unreachable.join(', '))}</strong>`;
}

function configuration({ state }: PageFacts['view']): Part {
  if (state.config === null) return 'none yet';
  return html`${untrusted(state.config.command.origin)}, log index ${state.config.index}`;
}
