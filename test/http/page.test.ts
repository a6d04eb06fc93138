/** The status page: what it says, and that nobody can make it say more. */

import { describe, expect, it } from 'vitest';
import { html } from '../../src/io/ui/markup.ts';
import { spanText } from '../../src/io/ui/words.ts';
import { check, config } from '../support/scenario-config.ts';
import { NOON, openDesk } from './harness.ts';

const PAYLOADS = [
  '<script>alert(1)</script>',
  '"><img src=x onerror=alert(1)>',
  "'><svg/onload=alert(1)>",
  '</title><script>alert(1)</script>',
  '</td></table><iframe src="javascript:alert(1)"></iframe>',
  '&lt;script&gt;alert(1)&lt;/script&gt;',
  '<!--<script>alert(1)//-->',
  '${alert(1)}',
  '{{constructor.constructor("alert(1)")()}}',
  '<style>*{display:none}</style>',
  '\u202egnp.exe',
  'javascript:alert(1)',
];

/** Tags of a document, without their attributes' values. */
function tagsOf(page: string): ReadonlySet<string> {
  return new Set(
    [...page.matchAll(/<([a-z!][a-z0-9]*)/gi)].map(([, tag = '']) => tag.toLowerCase()),
  );
}

describe('GET /', () => {
  it('says that all is quiet when it is', async () => {
    const desk = await openDesk();
    const { status, text, headers } = await desk.get('/');
    expect(status).toBe(200);
    expect(headers.get('content-type')).toMatch(/^text\/html/i);
    expect(text).toContain('✓ All quiet.');
    expect(text).toContain('No alert is firing.');
    expect(text).toContain('<meta http-equiv="refresh" content="5" />');
    expect((await desk.get('/?refresh=off')).text).not.toContain('http-equiv="refresh"');
  });

  it('says so when no notification can be sent', async () => {
    const desk = await openDesk();
    desk.node.leader = null;
    expect((await desk.get('/')).text).toContain('No leader is known: no notification can be sent');
  });

  it('shows how fit a member is to lead, and whom it cannot reach', async () => {
    const desk = await openDesk();
    expect((await desk.get('/')).text).toContain('not known');
    const unreachable = ['<b>team</b>/webhook[0]'];
    desk.node.fitness = { syncMs: null, lagMs: 3, descriptorsFree: 7, unreachable, ageMs: 0 };
    const { text } = await desk.get('/');
    expect(text).toContain('no recent sync, event loop 3 ms late, 7 descriptors free');
    expect(text).toContain('✗ cannot reach <bdi>&#60;b&#62;team&#60;/b&#62;/webhook[0]</bdi>');
  });

  it('shows an alert, its group with the next flush, and what was told with the reason', async () => {
    const desk = await openDesk(
      {},
      config({ checks: [check({ annotations: { summary: 'CPU is {{ $value }}' } })] }),
    );
    await desk.post('/tocsin/v1/observations', 'servers.a.cpu 99');
    expect((await desk.get('/')).text).toContain('in 30 s</time>');
    desk.clock.advance(30_000);
    desk.node.decide();
    const notification = `${desk.node.view().index}.0`;
    desk.node.fold([{ kind: 'attempt', notification, try: 1, node: 'n1' }]);
    const outcome = { result: 'delivered', status: 200, detail: '', tookMs: 5 } as const;
    desk.node.fold([{ kind: 'outcome', notification, try: 1, ...outcome }]);
    const { text } = await desk.get('/');
    for (const part of [
      '<title>1 firing · Tocsin</title>',
      '▲ 1 alert firing.',
      '▲ firing',
      'HighCpu',
      'series=servers.a.cpu',
      'CPU is 99',
      '30 s ago</time>',
      '● notified',
      'first notification',
      '✓ delivered',
      'delivered 200',
      'in 5 m</time>',
    ]) {
      expect(text).toContain(part);
    }
  });

  it('shows a breach that is pending, and an alert that is held back with its silence', async () => {
    const desk = await openDesk({}, config({ checks: [check({ for: '5m' })] }));
    await desk.post('/tocsin/v1/observations', 'servers.a.cpu 99');
    expect((await desk.get('/')).text).toContain('◔ No alert is firing, but a check is in breach.');
    await desk.post('/api/v2/silences', {
      matchers: [{ name: 'alertname', value: 'HighCpu', isRegex: false }],
      startsAt: new Date(NOON).toISOString(),
      endsAt: new Date(NOON + 900_000).toISOString(),
      createdBy: 'ann',
      comment: '',
    });
    desk.clock.advance(300_000);
    desk.node.decide();
    const { text } = await desk.get('/');
    expect(text).toContain('◇ held back');
    expect(text).toContain('silence fresh-1');
  });

  it('names in labels, texts, series and silences are only ever text', async () => {
    const desk = await openDesk({}, config({ checks: [check({ series: '*', for: '5m' })] }));
    const quiet = tagsOf((await desk.get('/')).text);
    const alerts = PAYLOADS.map((payload) => ({
      labels: { alertname: payload, [payload]: payload, severity: payload },
      annotations: { summary: payload },
    }));
    expect(await desk.post('/api/v2/alerts', alerts)).toMatchObject({ status: 200 });
    const readings = PAYLOADS.map((series) => ({
      series: series.replaceAll(/[;\u202e]/g, ''),
      value: 99,
    }));
    expect(await desk.post('/tocsin/v1/observations', readings)).toMatchObject({ status: 200 });
    desk.clock.advance(30_000);
    desk.node.decide();
    const { text, headers } = await desk.get('/');
    const allowed = new Set([
      ...quiet,
      'table',
      'thead',
      'tbody',
      'tr',
      'th',
      'td',
      'strong',
      'code',
      'time',
      'bdi',
    ]);
    expect([...tagsOf(text)].filter((tag) => !allowed.has(tag))).toEqual([]);
    expect(text).toContain('&#60;script&#62;alert(1)&#60;/script&#62;');
    expect(text).not.toMatch(/<[^>]*\son\w+=/);
    expect(headers.get('content-security-policy')).toContain("default-src 'none'");
  });

  it('a flood of alerts makes a page of bounded size', async () => {
    const desk = await openDesk();
    const alerts = Array.from({ length: 2_000 }, (_, i) => ({
      labels: { alertname: `A${i}`, long: 'x'.repeat(2_000) },
    }));
    await desk.post('/api/v2/alerts', alerts);
    const { text } = await desk.get('/');
    expect(text).toContain('1950 more are not shown here.');
    expect(text.length).toBeLessThan(200_000);
  });

  it('its links are relative and its files are served', async () => {
    const desk = await openDesk({ prefix: '/ops' });
    const { text } = await desk.get('/ops/');
    const links = [...text.matchAll(/(?:href|src)="([^"]*)"/g)].map(([, link = '']) => link);
    expect(links.length).toBeGreaterThan(5);
    for (const link of links) {
      expect(link).not.toMatch(/^(\/|[a-z]+:)/);
      const path = new URL(link, `${desk.url}/ops/`).href.slice(desk.url.length);
      expect(await desk.get(path)).toMatchObject({ status: 200 });
    }
  });
});

describe('parts of the page', () => {
  it('markup made by the template stays, everything else is escaped', () => {
    const inner = html`<b>${'<&>"\''}</b>`;
    expect(html`<p>${inner}${['a', 1, inner]}</p>`.text).toBe(
      '<p><b>&#60;&#38;&#62;&#34;&#39;</b>a1<b>&#60;&#38;&#62;&#34;&#39;</b></p>',
    );
  });

  it.each([
    [0, '0 s'],
    [499, '0 s'],
    [61_000, '1 m 1 s'],
    [3_600_000, '1 h'],
    [3_661_000, '1 h 1 m'],
    [-90_000_000, '1 d 1 h'],
  ])('%i ms is %s', (ms, text) => {
    expect(spanText(ms)).toBe(text);
  });
});

it('the page shows each monitor, and what of its answers cannot be judged', async () => {
  const desk = await openDesk();
  expect((await desk.get('/')).text).toContain('No monitor runs here');
  const well = { type: 'http', polls: 3, failures: 0, problem: null, dropped: [], shared: null };
  desk.monitors = [
    { ...well, name: 'fine' },
    { ...well, name: 'away', failures: 3, problem: 'graphite:80: ECONNREFUSED' },
    {
      ...well,
      name: '<b>g</b>',
      type: 'graphite',
      dropped: [
        { reason: 'duplicate-name', count: 7, sample: 'x.web (judged: 1)', at: NOON - 60_000 },
      ],
      shared: { monitor: 'other', series: 'x.load' },
    },
  ];
  const { text } = await desk.get('/');
  expect(text).toContain('● well');
  expect(text).toContain('graphite:80: ECONNREFUSED');
  expect(text).toMatch(/7 dropped, duplicate-name:\s*<bdi>x\.web \(judged: 1\)<\/bdi>/);
  expect(text).toContain('<bdi>x.load</bdi> comes from monitor <bdi>other</bdi>');
  expect(text).not.toContain('<b>g</b>');
  expect(text.indexOf('away')).toBeLessThan(text.indexOf('fine'));
  const status = (await desk.get('/tocsin/v1/status')).json();
  expect(status).toMatchObject({ monitors: [{ name: 'fine' }, {}, { dropped: [{ count: 7 }] }] });
});
