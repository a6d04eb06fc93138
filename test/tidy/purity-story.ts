/**
 * A few commands and what they fold to, as one text. It is run twice, in a bare world and outside
 * of it (purity.test.ts), so it may import the pure folders and nothing else.
 *
 * Extend it when a family of commands or a reducer comes along: the longer the story, the more of
 * the fold is proven to know no clock.
 */

import type { Batch } from '../../src/commands/command.ts';
import type { ApplyConfig, Config } from '../../src/commands/config.ts';
import { labelsFrom } from '../../src/commands/labels.ts';
import { decodeBatch, encodeBatch, encodeCanonical } from '../../src/log/codec.ts';
import { INITIAL_STATE } from '../../src/projections/initial.ts';
import { Projection } from '../../src/projections/projection.ts';

/** Any day will do, as long as it is not today. */
const NOON = 1_700_000_000_000;
const MINUTE_MS = 60_000;

/** Plays the story through the codec; gives back the final state's bytes as hexadecimal text. */
export function foldStory(): string {
  const projection = new Projection(INITIAL_STATE);
  STORY.forEach((batch, i) => projection.apply(i + 1, decodeBatch(encodeBatch(batch))));
  return hex(encodeCanonical(projection.state));
}

const CONFIG: Config = {
  resolveTimeoutMs: 5 * MINUTE_MS,
  route: {
    receiver: 'web',
    // A regular expression, so that re2js takes part.
    matchers: [{ name: 'severity', op: '=~', value: 'critical|page' }],
    groupBy: ['alertname'],
    groupByAll: false,
    groupWaitMs: 30_000,
    groupIntervalMs: 5 * MINUTE_MS,
    repeatIntervalMs: 240 * MINUTE_MS,
    continue: false,
    muteIntervals: [],
    activeIntervals: [],
    routes: [],
  },
  receivers: [
    {
      name: 'web',
      integrations: [{ type: 'webhook', position: 0, sendResolved: true, settings: '{}' }],
    },
  ],
  inhibitRules: [],
  timeIntervals: [],
  checks: [
    {
      name: 'HighCpu',
      series: 'servers.*.cpu',
      condition: {
        kind: 'above',
        low: 0,
        high: 90,
        recoverLow: 0,
        recoverHigh: 80,
        missingMs: 0,
      },
      forMs: MINUTE_MS,
      labels: labelsFrom([
        ['alertname', 'HighCpu'],
        ['severity', 'critical'],
      ]),
      annotations: labelsFrom([['summary', 'Überlast']]),
    },
  ],
  monitors: [],
};

const APPLY: ApplyConfig = {
  kind: 'config',
  origin: 'tocsin.yml',
  source: '',
  externalUrl: null,
  config: CONFIG,
};

const STORY: readonly Batch[] = [
  { at: NOON, commands: [{ kind: 'lead', node: 'a', previousAt: 0 }, APPLY] },
  {
    at: NOON + 1_000,
    commands: [
      {
        kind: 'observe',
        source: 'carbon',
        names: ['servers.web-1.cpu', 'servers.web-2.cpu'],
        ids: Int32Array.of(-1, -2),
        values: Float64Array.of(95.5, 12),
      },
      {
        kind: 'alerts',
        source: 'Prometheus',
        alerts: [
          {
            labels: labelsFrom([
              ['alertname', 'DiskFull'],
              ['severity', 'page'],
            ]),
            annotations: [],
            startsAt: 0,
            endsAt: 0,
            generatorUrl: '',
          },
        ],
      },
    ],
  },
  {
    at: NOON + 2_000,
    commands: [
      {
        kind: 'silence',
        id: '',
        freshId: 'silence-1',
        matchers: [{ name: 'alertname', op: '=', value: 'DiskFull' }],
        startsAt: NOON + 2_000,
        endsAt: NOON + 10 * MINUTE_MS,
        createdBy: 'alice',
        comment: 'The disk is being replaced.',
        annotations: [],
      },
    ],
  },
  {
    at: NOON + 3_000,
    commands: [
      { kind: 'request', node: 'b', incarnation: 1, sequence: 7, settledBelow: 7 },
      {
        kind: 'member',
        node: 'b',
        name: 'web-b',
        peer: 'b:9095',
        http: 'b:9093',
        version: '0.1.0',
        reducersMax: 1,
        configHash: '',
      },
      // Handed over once more, because no answer came.
      { kind: 'request', node: 'b', incarnation: 1, sequence: 7, settledBelow: 7 },
      { kind: 'forgetMember', node: 'b' },
      { kind: 'reducers', version: 1 },
    ],
  },
  {
    at: NOON + 4_000,
    commands: [
      { kind: 'reducers', version: 3 },
      { kind: 'expireSilence', id: 'silence-1', actor: { kind: 'user', name: 'ann' } },
      { kind: 'admin', action: 'removeMember', subject: 'b', detail: 'web-b' },
    ],
  },
  // The minute of `for` has passed: the check fires because the log says what time it is.
  { at: NOON + 2 * MINUTE_MS, commands: [{ kind: 'clock' }] },
];

function hex(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}
