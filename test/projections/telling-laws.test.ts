/** Laws of deciding and telling, for random histories: nobody is paged twice, nobody is forgotten. */

import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { NotifiedAlert } from '../../src/projections/state.ts';
import { entries, get } from '../../src/projections/table.ts';
import {
  calm,
  histories,
  people,
  play,
  rules,
  trouble,
  type Action,
} from '../support/scenario-histories.ts';
import type { Desk, Page } from '../support/scenario.ts';

const REPEAT_MS = 30 * 60_000;

it('under one set of rules only a repeat, or a page of which nobody knows, says the same again', () => {
  holdsFor(histories(calm, people, trouble), pagesToldAgain);
});

it('one notification is delivered once, unless the fate of a try was unknown', () => {
  holdsFor(histories(calm, people, rules, trouble), notificationsDeliveredAgain);
});

it('whatever fires is told to every integration of its receiver, whatever happened before', () => {
  holdsFor(histories(calm, people, rules, trouble), alertsThatNobodyHeardOf);
});

it('what somebody believes to fire is what fires, whatever the fate of tries (no silence, no reload)', () => {
  holdsFor(histories(calm, trouble), (desk) => falseBeliefs(desk, desk.pages));
});

it('and so it is for a receiver that drops what it has had under the same key', () => {
  holdsFor(histories(calm, trouble), (desk) => {
    const keys = new Set<string>();
    const isFirst = ({ key }: Page): boolean => !keys.has(key) && keys.add(key).has(key);
    return falseBeliefs(desk, desk.pages.filter(isFirst));
  });
});

it('under one key one thing is said, and to one receiver', () => {
  holdsFor(histories(calm, people, rules, trouble), keysThatSayTwoThings);
});

/** A law: nothing to object to, after all is well again. An objection is a sentence. */
function holdsFor(
  arbitrary: fc.Arbitrary<readonly Action[]>,
  objections: (desk: Desk) => readonly string[],
): void {
  fc.assert(
    fc.property(arbitrary, (actions) => {
      expect(objections(recover(play(actions)))).toEqual([]);
    }),
    { numRuns: 100 },
  );
}

/** The leader lives and receivers are well for long enough that every group has its tick. */
function recover(desk: Desk): Desk {
  for (const integration of ['team/webhook[0]', 'team/webhook[1]', 'other/webhook[0]']) {
    desk.answers(integration);
  }
  for (const [id] of entries(desk.state.silences)) desk.unsilence(id);
  return desk.leads('node-last').wait('11m');
}

function pagesToldAgain(desk: Desk): readonly string[] {
  const last = new Map<string, Page>();
  return desk.pages.flatMap((page, i) => {
    const place = `${page.integration} ${page.group}`;
    const before = last.get(place);
    last.set(place, page);
    if (before === undefined || contentOf(before.alerts) !== contentOf(page.alerts)) return [];
    const isRepeat = page.reason === 'repeat interval elapsed' && page.at - before.at >= REPEAT_MS;
    return isRepeat || page.uncertain ? [] : [`said again: ${desk.told()[i]}`];
  });
}

function contentOf(alerts: readonly NotifiedAlert[]): string {
  return alerts
    .map(({ fingerprint, startsAt, resolved }) => `${fingerprint} ${startsAt} ${resolved}`)
    .sort()
    .join();
}

function notificationsDeliveredAgain(desk: Desk): readonly string[] {
  const seen = new Set<string>();
  return desk.pages.flatMap(({ id, uncertain }, i) => {
    const isAgain = seen.has(id) && !uncertain;
    seen.add(id);
    return isAgain ? [`delivered again: ${desk.told()[i]}`] : [];
  });
}

function alertsThatNobodyHeardOf(desk: Desk): readonly string[] {
  const got = new Set(desk.pages.map(({ id }) => id));
  return [...entries(desk.state.alerts)].flatMap(([fingerprint, alert]) => {
    if (alert.resolved || !isSettled(desk, fingerprint)) return [];
    if (alert.groups.length === 0) return [`${fingerprint} is in no group`];
    return alert.groups.flatMap((key) => {
      const group = get(desk.state.groups, key);
      if (group?.last?.muted.some((each) => each.fingerprint === fingerprint)) return [];
      const integrations = group?.receiver === 'team' ? 2 : 1;
      // What the state calls told, a receiver must really have got.
      const told = Object.values(group?.told ?? {}).filter(
        ({ firing, notification }) => firing.includes(fingerprint) && got.has(notification),
      );
      return told.length === integrations ? [] : [`${key} did not tell ${fingerprint}`];
    });
  });
}

/** Of the first integration, which wants to hear of ends, and after all that it got. */
function falseBeliefs(desk: Desk, pages: readonly Page[]): readonly string[] {
  const believed = new Set<string>();
  for (const { integration, alerts } of pages) {
    if (integration !== 'team/webhook[0]') continue;
    for (const { fingerprint, resolved } of alerts) {
      if (resolved) believed.delete(fingerprint);
      else believed.add(fingerprint);
    }
  }
  const alerts = [...entries(desk.state.alerts)];
  const firing = new Set(alerts.flatMap(([key, { resolved }]) => (resolved ? [] : [key])));
  const told = desk.told().join(', ');
  return [...new Set([...firing, ...believed])].flatMap((fingerprint) => {
    if (!isSettled(desk, fingerprint)) return [];
    if (!believed.has(fingerprint)) return [`${fingerprint} fires: ${told}`];
    return firing.has(fingerprint) ? [] : [`${fingerprint} was never taken back: ${told}`];
  });
}

function keysThatSayTwoThings(desk: Desk): readonly string[] {
  const said = new Map<string, string>();
  return desk.pages.flatMap(({ key, integration, alerts }, i) => {
    const content = `${integration} ${contentOf(alerts)}`;
    const before = said.get(key) ?? content;
    said.set(key, content);
    return before === content ? [] : [`other words under ${key}: ${desk.told()[i]}`];
  });
}

/** Whether an alert has been as it is for longer than any group waits; one that is gone has. */
function isSettled(desk: Desk, fingerprint: string): boolean {
  const alert = get(desk.state.alerts, fingerprint);
  return alert === undefined || alert.updatedAt + 6 * 60_000 <= desk.now;
}
