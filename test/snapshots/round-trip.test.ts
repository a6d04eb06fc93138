/** What is saved is what is loaded, whatever was folded before and whatever is folded after. */

import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { rootOf } from '../../src/io/disk/snapshot-root.ts';
import { decodeBatch, encodeCanonical } from '../../src/log/codec.ts';
import { INITIAL_STATE } from '../../src/projections/initial.ts';
import { Projection } from '../../src/projections/projection.ts';
import { Desk } from '../support/scenario.ts';
import { check, config, receiver, route } from '../support/scenario-config.ts';
import {
  busyDesk,
  metaOf,
  keepNewest,
  openStore,
  removeTemporaryFolders,
  temporaryFolder,
} from './store.ts';

afterEach(removeTemporaryFolders);

describe('a snapshot store', () => {
  it('that is new is empty, and says nothing is wrong', async () => {
    const store = await openStore(`${temporaryFolder()}/snapshots`);
    expect(await store.load()).toEqual({
      manifest: null,
      state: INITIAL_STATE,
      problems: [],
      isReceived: false,
    });
    await store.close();
  });

  it('gives back the state of the newest snapshot, and what was known of it', async () => {
    const folder = temporaryFolder();
    const desk = busyDesk();
    const store = await openStore(folder);
    const { manifest } = await store.save(desk.state, metaOf(desk));
    await store.close();

    const again = await openStore(folder);
    const loaded = await again.load();
    expect(loaded.manifest).toEqual(manifest);
    expect(loaded.state).toEqual(desk.state);
    expect(loaded.problems).toEqual([]);
    await again.close();
  });

  it('takes two saves that overlap one after the other', async () => {
    const desk = busyDesk();
    const store = await openStore(temporaryFolder());
    const first = store.save(desk.state, metaOf(desk));
    desk.reading('servers.c.cpu', 99);
    const second = store.save(desk.state, metaOf(desk));
    const pruned = keepNewest(store, 1);
    await Promise.all([first, second, pruned]);
    expect((await store.load()).state).toEqual(desk.state);
    await store.close();
  });
});

describe('law: for any run of commands', () => {
  it('save and load give the same state, the same root and the same future', async () => {
    await fc.assert(
      fc.asyncProperty(steps, steps, steps, async (before, between, future) => {
        // Given a desk with any past, saved in the middle of it and at its end.
        const folder = temporaryFolder();
        const desk = new Desk({ config: null });
        const store = await openStore(folder);
        for (const play of before) play(desk);
        await store.save(desk.state, metaOf(desk));
        for (const play of between) play(desk);
        const { manifest } = await store.save(desk.state, metaOf(desk));
        await store.close();

        // When it is loaded by another process.
        const again = await openStore(folder);
        const { state } = await again.load();
        await again.close();

        // Then it has the same bytes, and the same root when that is computed anew.
        expect(encodeCanonical(state)).toEqual(encodeCanonical(desk.state));
        expect(rootOf(state)).toBe(manifest.root);
        expect(rootOf(desk.state)).toBe(manifest.root);

        // And whatever is appended next folds to the same state from it.
        for (const play of future) play(desk);
        const projection = new Projection(state);
        for (const [i, bytes] of desk.log.slice(manifest.index).entries()) {
          projection.apply(manifest.index + i + 1, decodeBatch(bytes));
        }
        expect(encodeCanonical(projection.state)).toEqual(encodeCanonical(desk.state));
        removeTemporaryFolders();
      }),
      { numRuns: 40 },
    );
  }, 120_000);
});

type Step = (desk: Desk) => void;

const host = fc.constantFrom('a', 'b', 'c', '__proto__', 'ü');
/** Minus zero has no bytes of its own, and halves have no short form. */
const value = fc.constantFrom(0, -0, 50, 95, 99.5, 1e300, -1);

const models = [
  config({ checks: [check({ for: '1m' })] }),
  config({ checks: [check(), check({ name: 'Quiet', series: 'servers.*.cpu', missing: '5m' })] }),
  config({
    route: route({ routes: [route({ to: 'other', when: ['host=~"a|b"'], by: 'all' })] }),
    receivers: [receiver('team'), receiver('other', true, false)],
  }),
];

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.tuple(host, value).map(([name, number]): Step => (desk) => {
    desk.reading(`servers.${name}.cpu`, number);
  }),
  fc.tuple(host, fc.boolean()).map(([name, ends]): Step => (desk) => {
    const labels = { alertname: 'Pushed', host: name };
    desk.push(labels, ends ? { until: desk.clock() } : {});
  }),
  fc.tuple(host, fc.integer({ min: 1, max: 3 })).map(([name, n]): Step => (desk) => {
    desk.silence(`s-${n}`, [`host="${name}"`], { until: '9999:00:00' });
  }),
  fc.integer({ min: 1, max: 3 }).map((n): Step => (desk) => {
    desk.unsilence(`s-${n}`);
  }),
  fc.constantFrom(...models).map((model): Step => (desk) => {
    desk.config(model);
  }),
  fc.constantFrom('1s', '1m', '7m', '5h').map((text): Step => (desk) => {
    desk.wait(text);
  }),
  fc.constantFrom('ok' as const, 500, 400, 'hangs' as const).map((answer): Step => (desk) => {
    desk.answers('team', answer);
  }),
);

const steps = fc.array(step, { maxLength: 12 });
