/** The Grafana dashboard that we hand out asks for nothing that a node does not show. */

import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createMetrics } from '../../src/io/metrics/metrics.ts';
import { StandingClock } from '../monitors/world.ts';
import { InstantNode } from '../support/instant-node.ts';

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly description?: string;
  readonly gridPos: {
    readonly x: number;
    readonly y: number;
    readonly w: number;
    readonly h: number;
  };
  readonly datasource?: { readonly uid: string };
  readonly targets?: readonly {
    readonly expr: string;
    readonly datasource: { readonly uid: string };
  }[];
}

interface Dashboard {
  readonly panels: readonly Panel[];
  readonly templating: {
    readonly list: readonly { readonly name: string; readonly definition?: string }[];
  };
}

const file = path.resolve(import.meta.dirname, '../../docs/grafana/tocsin.json');
const dashboard = JSON.parse(await readFile(file, 'utf8')) as Dashboard;
const { panels, templating } = dashboard;
const expressions = panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
const questions = [...expressions, ...templating.list.flatMap(({ definition = [] }) => definition)];

const hasPromtool = spawnSync('promtool', ['--version']).status === 0;

/** What a fresh node shows at `/metrics`. */
async function figures(): Promise<readonly string[]> {
  const clock = new StandingClock();
  const metrics = createMetrics({
    version: '0.1.0',
    revision: '',
    integrations: ['webhook'],
    dropReasons: ['queue-full'],
    limits: ['items'],
    connectionReasons: { refused: ['certificate'], closed: ['room'] },
  });
  onTestFinished(() => metrics.close());
  metrics.watch(new InstantNode(clock));
  return (await metrics.text()).split('\n').filter((line) => /^[^#]/.test(line));
}

/** Labels that Prometheus adds to what it scrapes. */
const ADDED = new Set(['job', 'instance']);

interface Asked {
  readonly metric: string;
  readonly label: string;
  readonly values: readonly string[];
}

/** Each label that an expression picks by, with the values that it names. */
function askedIn(expression: string): readonly Asked[] {
  return [...expression.matchAll(/(tocsin_\w+)\{([^}]*)\}/g)].flatMap(
    ([, metric = '', inner = '']) =>
      [...inner.matchAll(/(\w+)(=~|=)"([^"]*)"/g)]
        .filter(([, label = '']) => !ADDED.has(label))
        .map(([, label = '', , text = '']) => ({ metric, label, values: text.split('|') })),
  );
}

describe('the Grafana dashboard', () => {
  it('names only metrics that /metrics has', async () => {
    const shown = new Set((await figures()).map((line) => /^\w+/.exec(line)?.[0]));
    const named = questions.flatMap((text) => text.match(/\b(?:tocsin|alertmanager)_\w+/g) ?? []);
    expect(named.length).toBeGreaterThan(20);
    expect(named.filter((name) => !shown.has(name))).toEqual([]);
  });

  it('picks by labels and values that the metrics have', async () => {
    const lines = await figures();
    const asked = questions.flatMap(askedIn);
    expect(asked.length).toBeGreaterThan(3);
    const missing = asked.flatMap(({ metric, label, values }) =>
      values
        .filter(
          (value) =>
            !lines.some(
              (line) => line.startsWith(`${metric}{`) && line.includes(`${label}="${value}"`),
            ),
        )
        .map((value) => `${metric}{${label}="${value}"}`),
    );
    expect(missing).toEqual([]);
  });

  it('groups by labels that the metrics have', async () => {
    const labels = new Set((await figures()).flatMap((line) => line.match(/\w+(?==")/g) ?? []));
    const grouped = expressions
      .flatMap((text) => [...text.matchAll(/\bby \(([^)]*)\)/g)])
      .flatMap(([, list = '']) => list.split(', '));
    expect(grouped.length).toBeGreaterThan(5);
    expect(grouped.filter((label) => !labels.has(label) && !ADDED.has(label))).toEqual([]);
  });

  it('is asked for a data source, a job and nodes', () => {
    expect(templating.list.map(({ name }) => name)).toEqual(['datasource', 'job', 'instance']);
  });

  it.each(panels.filter(({ type }) => type !== 'row'))(
    'asks the chosen data source in the panel "$title", and explains it',
    ({ title, description, datasource, targets = [] }) => {
      expect(title).not.toBe('');
      expect(description).toMatch(/\.$/);
      const sources = [datasource, ...targets.map((target) => target.datasource)];
      expect(new Set(sources.map((source) => source?.uid))).toEqual(new Set(['${datasource}']));
    },
  );

  it('has no two panels of one id or in one place', () => {
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, at) => `${x + (at % w)},${y + Math.floor(at / w)}`),
    );
    expect(new Set(cells).size).toBe(cells.length);
    expect(cells.filter((cell) => Number(cell.split(',')[0]) >= 24)).toEqual([]);
  });

  it.skipIf(!hasPromtool)('Prometheus understands every expression', async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'tocsin-rules-'));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    const rules = expressions.map((expression, at) => ({
      record: `rule:${at}`,
      expr: expression.replaceAll('$__rate_interval', '1m'),
    }));
    const rulesFile = path.join(folder, 'rules.yml');
    // JSON is YAML, too.
    await writeFile(rulesFile, JSON.stringify({ groups: [{ name: 'dashboard', rules }] }));
    const said = execFileSync('promtool', ['check', 'rules', rulesFile]).toString();
    expect(said).toContain(`SUCCESS: ${expressions.length} rules found`);
  });
});
