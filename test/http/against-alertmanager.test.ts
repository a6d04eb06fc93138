/**
 * The real Alertmanager 0.25 and the real daemon get the same generated requests and must give the
 * same answers, except for the differences of docs/alertmanager.md.
 *
 * `TOCSIN_ALERTMANAGER_SEED` and `TOCSIN_ALERTMANAGER_COUNT` choose the requests. Our daemon runs
 * twice: with the classic names, as 0.25 has them, and with UTF-8 names, as the newer versions have
 * them.
 */

import { readFile } from 'node:fs/promises';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { configFile, isReady, scratch, start, until } from '../blackbox/program.ts';
import { CONTENT_DIFFERENCES, STATUS_DIFFERENCES, type Case } from './alertmanager/differences.ts';
import { send, startAlertmanager, type Answered, type Sent } from './alertmanager/oracle.ts';
import { drafts, type Draft } from './alertmanager/requests.ts';

const SEED = Number(process.env['TOCSIN_ALERTMANAGER_SEED'] ?? 1);
const COUNT = Number(process.env['TOCSIN_ALERTMANAGER_COUNT'] ?? 400);

const CONFIG = `
route: {receiver: team, group_by: [alertname], routes: [{receiver: other, match: {team: web}}]}
receivers: [{name: team}, {name: other}]
`;

it('every difference is documented, and nothing else is', async () => {
  const text = await readFile(new URL('../../docs/alertmanager.md', import.meta.url), 'utf8');
  const documented = [...text.matchAll(/^\| `([\w-]+)` \|/gm)].map(([, name]) => name);
  const known = [...STATUS_DIFFERENCES, ...CONTENT_DIFFERENCES].map(({ name }) => name);
  expect(new Set(documented)).toEqual(new Set([...known, ...ALWAYS]));
});

/** Differences that {@link Comparison} evens out before it compares. */
const ALWAYS = ['error-shape', 'zones', 'empty-links'];

it(
  `${COUNT} requests of seed ${SEED} are answered as Alertmanager answers them`,
  async ({ skip }) => {
    const theirs = await startAlertmanager(CONFIG);
    if (theirs === null) return skip('prometheus-alertmanager of Debian is not here');
    const folder = await scratch();
    const config = await configFile(folder, CONFIG);
    const starting = [['--classic-names'], []].map((flags, i) =>
      start({ config, dataDir: `${folder}/${i}`, flags }),
    );
    const [classic, modern] = await Promise.all(starting);
    if (classic === undefined || modern === undefined) throw new Error('it did not start');
    await until(async () => (await isReady(classic)) && (await isReady(modern)));

    const servers = [theirs, classic.addresses.http, modern.addresses.http].map(
      (at) => new Server(at),
    );
    // They share what is tainted, since a silence that is ended there is ended for both.
    const tainted = new Set<string>();
    const comparisons = [1, 2].map((i) => new Comparison(servers, i, tainted));
    for (const [n, draft] of fc.sample(drafts, { seed: SEED, numRuns: COUNT }).entries()) {
      // Only a silence that all of them have can be asked for.
      const shared = [...(servers[0]?.silences.keys() ?? [])].filter((made) =>
        servers.every(({ silences }) => silences.has(made)),
      );
      const answers = await Promise.all(servers.map((server) => server.ask(draft, n, shared)));
      for (const [i, comparison] of comparisons.entries()) {
        await comparison.judge(draft, n, [answers[0]!, answers[i + 1]!]);
      }
    }
    for (const comparison of comparisons) comparison.report();
  },
  Math.max(120_000, COUNT * 200),
);

interface Exchange {
  readonly sent: Sent;
  readonly answered: Answered;
}

/** A server, and the silences that were made in it. */
class Server {
  readonly address: string;
  /** Ids of the silences by the number of the request that made each. */
  readonly silences = new Map<number, string>();

  constructor(address: string) {
    this.address = address;
  }

  async ask(draft: Draft, n: number, shared: readonly number[]): Promise<Exchange> {
    const sent = {
      ...draft,
      path: this.#filled(draft.path, n, shared),
      body: typeof draft.body === 'string' ? this.#filled(draft.body, n, shared) : draft.body,
    };
    const answered = await send(this.address, sent);
    const made = /"silenceID":"([\w-]+)"/.exec(answered.text)?.[1];
    if (made !== undefined) this.silences.set(n, made);
    return { sent, answered };
  }

  async list(path: string): Promise<readonly Row[]> {
    const { text } = await send(this.address, { method: 'GET', path, headers: {}, body: null });
    return JSON.parse(text) as readonly Row[];
  }

  async forget(silence: string): Promise<void> {
    const path = `/api/v2/silence/${silence}`;
    await send(this.address, { method: 'DELETE', path, headers: {}, body: null });
    for (const [n, id] of this.silences) if (id === silence) this.silences.delete(n);
  }

  #filled(text: string, n: number, shared: readonly number[]): string {
    return text.replaceAll('{n}', `n${n}`).replace(/\{id (\d)\}/g, (_, back: string) => {
      const id = this.silences.get(shared.at(-1 - Number(back)) ?? -1);
      return id ?? '00000000-0000-4000-8000-00000000ffff';
    });
  }
}

type Row = Readonly<Record<string, unknown>>;

class Comparison {
  readonly #theirs: Server;
  readonly #ours: Server;
  readonly #isModern: boolean;
  readonly #seen = new Map<string, number>();
  /** Requests by number whose alerts or silences differ by a known difference. */
  readonly #tainted: Set<string>;
  readonly #all: readonly Server[];
  readonly #failures: string[] = [];
  #same = 0;

  constructor(all: readonly Server[], i: number, tainted: Set<string>) {
    const [theirs, ours] = [all[0]!, all[i]!];
    this.#all = all;
    this.#tainted = tainted;
    this.#theirs = theirs;
    this.#ours = ours;
    this.#isModern = i === 2;
  }

  async judge(
    draft: Draft,
    n: number,
    [theirs, ours]: readonly [Exchange, Exchange],
  ): Promise<void> {
    const each: Case = {
      sent: ours.sent,
      theirs: theirs.answered,
      ours: ours.answered,
      isModern: this.#isModern,
    };
    const what = `${draft.method} ${ours.sent.path} ${String(ours.sent.body)}`;
    const where = `request ${n} of seed ${SEED}, ${this.#isModern ? 'UTF-8' : 'classic'} names: ${what}`;
    const isSame =
      each.theirs.status === each.ours.status && each.theirs.location === each.ours.location;
    const status = isSame ? undefined : STATUS_DIFFERENCES.find(({ explains }) => explains(each));
    const content = CONTENT_DIFFERENCES.find(({ explains }) => explains(each));
    const seen = [status, content].flatMap((difference) => difference?.name ?? []);
    for (const name of seen) this.#seen.set(name, (this.#seen.get(name) ?? 0) + 1);
    if (!isSame && status === undefined) {
      this.#fail(`${where}\n  theirs ${shown(each.theirs)}\n  ours   ${shown(each.ours)}`);
    }
    if (seen.length === 0) this.#same++;
    if (draft.method === 'POST' && (seen.length > 0 || !isSame)) {
      // A request that only one of them took may have replaced an older silence there.
      const asked = String(theirs.sent.body);
      const older = [...this.#theirs.silences].filter(([, id]) => asked.includes(id));
      for (const made of [n, ...older.map(([each]) => each)]) await this.#taint(`n${made}`);
    }
    if (isSame && each.ours.status >= 400 && draft.method !== 'HEAD') {
      const error = JSON.parse(each.ours.text) as unknown;
      if (typeof error !== 'string')
        this.#fail(`${where}\n  ours ${shown(each.ours)} is no string`);
    }
    if (draft.method === 'POST' && isSame) await this.#compareState(where, n);
    if (draft.method === 'GET' && isSame && each.ours.status === 200 && content === undefined) {
      await this.#compareList(ours.sent.path, where);
    }
  }

  report(): void {
    expect(this.#failures.slice(0, 20).join('\n'), `${this.#failures.length} differences`).toBe('');
    const names = this.#isModern ? 'UTF-8 names' : 'classic names';
    const counts = [...this.#seen].map(([name, count]) => `${name} ${count}`).join(', ');
    console.info(`seed ${SEED}, ${names}: ${this.#same} of ${COUNT} alike; ${counts}`);
  }

  async #compareState(where: string, n: number): Promise<void> {
    for (const path of ['/api/v2/alerts', '/api/v2/silences']) {
      if (!(await this.#compareList(path, where))) await this.#taint(`n${n}`);
    }
  }

  /** Goes on, so that one run shows all that differs. */
  #fail(message: string): void {
    this.#failures.push(message);
  }

  async #compareList(path: string, where: string): Promise<boolean> {
    if (/\/(?:status|silence\/)/.test(path)) return true;
    const ask = async (server: Server): Promise<readonly Row[]> => {
      const rows = this.#normal(await server.list(path));
      // Silences with the same end stand in any order.
      return path.includes('/silences') ? rows.toSorted(byComment) : rows;
    };
    let [theirs, ours] = [await ask(this.#theirs), await ask(this.#ours)];
    // Alertmanager groups its alerts a moment after it has answered.
    for (let tries = 0; tries < 20 && path.includes('groups'); tries++) {
      if (JSON.stringify(theirs) === JSON.stringify(ours)) break;
      await new Promise((resolve) => setTimeout(resolve, 25));
      [theirs, ours] = [await ask(this.#theirs), await ask(this.#ours)];
    }
    const isEqual = JSON.stringify(theirs) === JSON.stringify(ours);
    if (!isEqual)
      this.#fail(`${where}
  then ${path}
${onlyIn(theirs, ours)}`);
    return isEqual;
  }

  /** Leaves out what a known difference made, and evens out what two servers cannot share. */
  #normal(rows: readonly Row[]): readonly Row[] {
    return rows.flatMap((row): readonly Row[] => {
      const { alerts, labels, comment } = row as { alerts?: Row[]; labels?: Row; comment?: string };
      if (alerts !== undefined) {
        const inner = [...this.#normal(alerts)] as { fingerprint: string }[];
        inner.sort((a, b) => (a.fingerprint < b.fingerprint ? -1 : 1));
        return inner.length === 0
          ? []
          : [sorted({ ...row, alerts: inner, routeLabels: undefined })];
      }
      const n = labels?.['n'] ?? comment;
      if (typeof n === 'string' && this.#tainted.has(n)) return [];
      // A silence without a number is one that only we take.
      if (labels === undefined && !/^n\d+$/.test(comment ?? '')) return [];
      const even = {
        ...moments(row),
        ...statusOf(row),
        ...sortedMatchers(row),
        ...shownLater(row),
      };
      return [sorted({ ...row, ...even, id: undefined })];
    });
  }

  /** A silence that only one of them took is ended, so that it holds nothing back there. */
  async #taint(n: string): Promise<void> {
    this.#tainted.add(n);
    for (const server of this.#all) {
      for (const row of await server.list('/api/v2/silences')) {
        const { comment, id, status } = row as {
          comment: string;
          id: string;
          status: { state: string };
        };
        const isOwn = comment === n || !/^n\d+$/.test(comment);
        if (isOwn && status.state !== 'expired') await server.forget(id);
      }
    }
  }
}

function byComment(a: Row, b: Row): number {
  return String(a['comment']).localeCompare(String(b['comment']), 'en');
}

/** 0.25 leaves out an empty link, and does not show the annotations of a silence. */
function shownLater(row: Row): Row {
  return 'matchers' in row
    ? { annotations: undefined }
    : { generatorURL: row['generatorURL'] ?? '' };
}

/** Moments without their zone; what is about now is not the same millisecond in two servers. */
function moments(row: Row): Row {
  const names = ['startsAt', 'endsAt', 'updatedAt'].filter((name) => typeof row[name] === 'string');
  return Object.fromEntries(
    names.map((name) => {
      const at = Date.parse(row[name] as string);
      return [name, Math.abs(at - Date.now()) < 15 * 60_000 ? 'about now' : at];
    }),
  );
}

/** Ids of silences differ; how many there are does not. */
function statusOf({ status }: Row): Row {
  const {
    silencedBy,
    mutedBy: _,
    ...others
  } = status as { silencedBy?: string[]; mutedBy?: unknown };
  return { status: { ...others, silencedBy: silencedBy?.length } };
}

/** With the names of its fields in order, at each depth. */
function sorted<T>(value: T): T {
  if (Array.isArray(value)) return value.map(sorted) as T;
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(
    ([key, inner]) => [key, sorted(inner as unknown)] as const,
  );
  return Object.fromEntries(entries.toSorted(([a], [b]) => (a < b ? -1 : 1))) as T;
}

function sortedMatchers({ matchers }: Row): Row {
  if (!Array.isArray(matchers)) return {};
  const texts = matchers.map((each) => JSON.stringify(sorted(each)));
  return { matchers: texts.toSorted() };
}

/** The rows that only one of them has. */
function onlyIn(theirs: readonly Row[], ours: readonly Row[]): string {
  const [theirTexts, ourTexts] = [theirs, ours].map((rows) =>
    rows.map((row) => JSON.stringify(row)),
  );
  const only = (own: readonly string[] = [], other: readonly string[] = []) =>
    own.filter((row) => !other.includes(row)).join('\n    ');
  return `  theirs ${only(theirTexts, ourTexts)}\n  ours   ${only(ourTexts, theirTexts)}`;
}

function shown({ status, location, text }: Answered): string {
  return `${status} ${location} ${text.slice(0, 300)}`;
}
