/** Several real processes as one cluster: they find one another, fail over, resize, and come back. */

import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { Etcd, hasEtcd } from '../discovery/etcd.ts';
import type { TlsOptions } from '../../src/io/net/certificates.ts';
import { ONE, STRANGER, TWO } from '../net/certificates.ts';
import {
  configFile,
  isReady,
  members,
  Receiver,
  refused,
  scratch,
  start,
  tocsin,
  together,
  until,
  type Daemon,
  type Member,
} from './program.ts';

const PATIENCE_MS = 60_000;

/** A folder with a configuration, and daemons that start in it by their names. */
class Site {
  readonly folder: string;
  readonly config: string;
  readonly receiver: Receiver;

  private constructor(folder: string, config: string, receiver: Receiver) {
    this.folder = folder;
    this.config = config;
    this.receiver = receiver;
  }

  static async open(): Promise<Site> {
    const folder = await scratch();
    const receiver = await Receiver.listen();
    const config = await configFile(
      folder,
      `
route: {receiver: team, group_by: [alertname], group_wait: 0s, group_interval: 1s}
receivers: [{name: team, webhook_configs: [{url: '${receiver.url}'}]}]
`,
    );
    return new Site(folder, config, receiver);
  }

  dataDir(name: string): string {
    return `${this.folder}/${name}`;
  }

  options(name: string, ...flags: readonly string[]) {
    return { config: this.config, dataDir: this.dataDir(name), name, flags };
  }

  start(name: string, ...flags: readonly string[]): Promise<Daemon> {
    return start(this.options(name, ...flags));
  }

  /** n1 founds, the others join it; all vote when it resolves. */
  async three(): Promise<[Daemon, Daemon, Daemon]> {
    const n1 = await this.start('n1');
    const n2 = await this.start('n2', '--join', n1.addresses.peer);
    const n3 = await this.start('n3', '--join', n1.addresses.peer);
    await together([n1, n2, n3]);
    return [n1, n2, n3];
  }
}

/** Pushes as Prometheus does: to one member after the other, until one says 200. */
async function push(daemons: readonly Daemon[], alertname: string): Promise<void> {
  for (let i = 0; ; i++) {
    const daemon = daemons[i % daemons.length];
    const answer = await daemon
      ?.post('/api/v2/alerts', [{ labels: { alertname } }])
      .catch(() => undefined);
    if (answer?.status === 200) return;
  }
}

async function alertNames(daemon: Daemon): Promise<readonly string[]> {
  const alerts = (await daemon.get('/api/v2/alerts')) as { labels: { alertname: string } }[];
  return alerts.map(({ labels }) => labels.alertname).toSorted();
}

async function leaderOf(daemons: readonly Daemon[]): Promise<Daemon> {
  for (;;) {
    for (const daemon of daemons) {
      const status = (await daemon.get('/tocsin/v1/status')) as { role: string; ready: boolean };
      if (status.role === 'leader' && status.ready) return daemon;
    }
  }
}

function pagesFor(receiver: Receiver, alertname: string) {
  return receiver.pages.filter(({ groupLabels }) => groupLabels.alertname === alertname);
}

describe('a cluster of three', () => {
  it(
    'takes a push at any member, pages once, and shows the same everywhere',
    async () => {
      const site = await Site.open();
      const daemons = await site.three();
      for (const [i, daemon] of daemons.entries()) await push([daemon], `Alert${i}`);
      await until(() => site.receiver.pages.length >= 3);
      for (const daemon of daemons) {
        await until(async () => (await alertNames(daemon)).length === 3);
        expect(await alertNames(daemon)).toEqual(['Alert0', 'Alert1', 'Alert2']);
      }
      const peers = (await daemons[1].get('/api/v2/status')) as { cluster: { peers: object[] } };
      expect(peers.cluster.peers).toEqual(
        daemons.map(({ addresses }, i) => ({ name: `n${i + 1}`, address: addresses.peer })),
      );
      expect(site.receiver.pages).toHaveLength(3);
      const roles = await Promise.all(
        daemons.map(async (daemon) => {
          return ((await daemon.get('/tocsin/v1/status')) as { role: string }).role;
        }),
      );
      expect(roles.toSorted()).toEqual(['follower', 'follower', 'leader']);
    },
    PATIENCE_MS,
  );

  it(
    'the leader is killed: what was acknowledged is there, and nobody is paged again',
    async () => {
      const site = await Site.open();
      const daemons = await site.three();
      await push(daemons, 'Before');
      await until(() => pagesFor(site.receiver, 'Before').length === 1);
      const leader = await leaderOf(daemons);
      const rest = daemons.filter((daemon) => daemon !== leader);
      await until(async () => {
        const told = (await leader.get('/tocsin/v1/notifications?status=delivered')) as object[];
        return told.length === 1;
      });

      await leader.kill('SIGKILL');
      await push(rest, 'After');

      await until(() => pagesFor(site.receiver, 'After').length === 1);
      expect(pagesFor(site.receiver, 'Before')).toHaveLength(1);
      for (const daemon of rest) {
        await until(async () => (await alertNames(daemon)).length === 2);
      }
    },
    PATIENCE_MS,
  );

  it(
    'all are killed at once and come back at other ports: one address given is enough',
    async () => {
      const site = await Site.open();
      const daemons = await site.three();
      await push(daemons, 'Before');
      await Promise.all(daemons.map((daemon) => daemon.kill('SIGKILL')));

      const n1 = await site.start('n1');
      const n2 = await site.start('n2', '--join', n1.addresses.peer);
      const n3 = await site.start('n3', '--join', n1.addresses.peer);
      await together([n1, n2, n3]);

      for (const daemon of [n1, n2, n3]) expect(await alertNames(daemon)).toEqual(['Before']);
    },
    PATIENCE_MS,
  );

  it(
    'each member is restarted in turn with SIGTERM: no push fails that a running member took',
    async () => {
      const site = await Site.open();
      const daemons: Daemon[] = [...(await site.three())];
      let pushed = 0;
      let failed = 0;
      let isDone = false;
      const load = (async () => {
        for (; !isDone; pushed++) {
          // Round and round over those that are running, as a client with health checks does.
          const running = daemons.filter(({ process }) => process.exitCode === null);
          const daemon = running[pushed % running.length];
          const isStopping = () => daemon?.process.killed === true;
          const answer = await daemon
            ?.post('/api/v2/alerts', [{ labels: { alertname: `Alert${pushed}` } }])
            .catch(() => undefined);
          if (answer?.status !== 200 && !isStopping()) failed++;
        }
      })();
      for (const [i, daemon] of daemons.entries()) {
        const { peer } = daemon.addresses;
        expect(await daemon.kill('SIGTERM')).toBe(0);
        daemons[i] = await site.start(`n${i + 1}`, '--peer', peer);
        await together(daemons);
      }
      isDone = true;
      await load;
      expect(failed).toBe(0);
      expect(pushed).toBeGreaterThan(0);
    },
    PATIENCE_MS,
  );

  it(
    'a file is changed and one member is told to read it: all go by it, and it stays so',
    async () => {
      const site = await Site.open();
      const daemons = await site.three();
      const [, n2] = daemons;
      const text = await readFile(site.config, 'utf8');
      await writeFile(site.config, text.replace('group_interval: 1s', 'group_interval: 7s'));
      const indexOf = async (daemon: Daemon): Promise<number> => {
        return ((await daemon.get('/tocsin/v1/status')) as { appliedIndex: number }).appliedIndex;
      };
      const before = await indexOf(n2);
      n2.process.kill('SIGHUP');
      await until(() => n2.log.some((line) => line.includes('configuration applied')));
      // n2 says in an entry of its own that its file is another one now; more must not come of it.
      for (const daemon of daemons) {
        await until(async () => (await indexOf(daemon)) >= before + 2);
        const { config } = (await daemon.get('/api/v2/status')) as { config: { original: string } };
        expect(config.original).toContain('group_interval: 7s');
      }
    },
    PATIENCE_MS,
  );

  it(
    "grows to five and shrinks to three under load and a person's hand: nothing acknowledged is lost",
    async () => {
      const site = await Site.open();
      const three = await site.three();
      const pushed: string[] = [];
      let isDone = false;
      const load = (async () => {
        for (; !isDone; pushed.push(`Load${pushed.length}`)) {
          await push([three[2]], `Load${pushed.length}`);
        }
      })();
      const join = ['--join', three[1].addresses.peer];
      const n4 = await site.start('n4', ...join);
      const n5 = await site.start('n5', ...join);
      await together([...three, n4, n5]);
      for (const name of ['n1', 'n2']) {
        const url = n5.url('');
        await until(async () => (await tocsin('members', 'remove', name, '--url', url)).code === 0);
      }
      await together([three[2], n4, n5]);
      await push([n5], 'After');
      const listed = await tocsin('members', 'list', '--url', n4.url(''), '-o', 'json');
      const names = (JSON.parse(listed.stdout) as Member[]).map(({ name }) => name);
      expect(names).toEqual(['n3', 'n4', 'n5']);
      const moved = await tocsin('members', 'transfer', 'n4', '--url', n5.url(''));
      expect(moved).toMatchObject({ code: 0 });
      expect(await leaderOf([n4])).toBe(n4);
      isDone = true;
      await load;
      expect(pushed.length).toBeGreaterThan(0);
      for (const daemon of [three[2], n4, n5]) {
        await until(async () => {
          const names = new Set(await alertNames(daemon));
          return pushed.every((name) => names.has(name));
        });
      }
    },
    PATIENCE_MS,
  );
});

describe('a person removes the wrong one', () => {
  it(
    'one of three is dead: a living one is not let go, which would stop the rest; the dead one is',
    async () => {
      const site = await Site.open();
      const [n1, , n3] = await site.three();
      const remove = (name: string) => tocsin('members', 'remove', name, '--url', n1.url(''));
      await n3.kill('SIGKILL');
      await until(async () => {
        const seen = (await n1.get('/tocsin/v1/members')) as { silentMs: number | null }[];
        return seen.some(({ silentMs }) => (silentMs ?? 0) > 1_500);
      });

      const wrong = await remove('n2');
      expect(wrong.code).toBe(1);
      expect(wrong.stderr).toContain('1 of the 2 voters that stay would be alive');
      expect(await remove('n3')).toMatchObject({ code: 0 });
      await until(async () => (await remove('n2')).code === 0);
      await push([n1], 'Alone');
    },
    PATIENCE_MS,
  );
});

describe('who does not belong', () => {
  it(
    'a member whose disk was wiped joins anew; its old identity is refused',
    async () => {
      const site = await Site.open();
      const [n1, n2, n3] = await site.three();
      await cp(site.dataDir('n3'), site.dataDir('copy'), { recursive: true });
      await n3.kill('SIGKILL');
      await rm(site.dataDir('n3'), { recursive: true });

      const again = await site.start('n3', '--join', n1.addresses.peer);
      await together([n1, n2, again]);
      const ghost = await site.start('copy', '--name', 'n3', '--join', n1.addresses.peer);
      await until(() => ghost.log.some((line) => line.includes('was removed from')));
      await until(async () => !(await isReady(ghost)));
      await push([n2], 'Fine');
    },
    PATIENCE_MS,
  );

  it(
    'a node of a taken name, and one with data of another cluster, are told why',
    async () => {
      const site = await Site.open();
      const n1 = await site.start('n1');
      const twin = await site.start('twin', '--name', 'n1', '--join', n1.addresses.peer);
      await until(() => twin.log.some((line) => line.includes('n1 is the name of a member')));
      const other = await site.start('other');
      await push([other], 'Elsewhere');
      await other.kill('SIGTERM');
      const back = await site.start('other', '--join', n1.addresses.peer);
      await until(() => isReady(back));
      expect(await alertNames(back)).toEqual(['Elsewhere']);
      expect(await members(n1)).toHaveLength(1);
    },
    PATIENCE_MS,
  );

  it('a log that was taken away is missed, and no new cluster begun', async () => {
    const site = await Site.open();
    const n1 = await site.start('n1');
    await push([n1], 'Before');
    await n1.kill('SIGTERM');
    await rm(`${site.dataDir('n1')}/log`, { recursive: true });
    await rm(`${site.dataDir('n1')}/snapshots`, { recursive: true });
    const { code, stderr } = await refused(site.options('n1'));
    expect(code).toBe(5);
    expect(stderr).toContain('its log is gone');
  });
});

describe('TLS between members', () => {
  async function tlsFlags(site: Site, name: string, files: TlsOptions): Promise<string[]> {
    const flags: string[] = [];
    for (const [flag, text] of [
      ['--peer-cert', files.certificate],
      ['--peer-key', files.key],
      ['--peer-ca', files.ca],
    ] as const) {
      const file = `${site.folder}/${name}${flag}.pem`;
      await writeFile(file, text);
      flags.push(flag, file);
    }
    return flags;
  }

  it(
    'members of one CA form a cluster; a stranger, and a node without TLS, are told why they cannot',
    async () => {
      const site = await Site.open();
      const one = await site.start('one', ...(await tlsFlags(site, 'one', ONE)));
      const join = ['--join', one.addresses.peer];
      // Its certificate names a node id, which a node keeps in its data directory.
      await mkdir(site.dataDir('n2'));
      const facts = { format: 1, nodeId: 'node-2', clusterId: null, starts: 1, founds: false };
      await writeFile(
        `${site.dataDir('n2')}/node.json`,
        JSON.stringify({ ...facts, others: [], isStandalone: false }),
      );
      const n2 = await site.start('n2', ...join, ...(await tlsFlags(site, 'n2', TWO)));
      await together([one, n2]);

      const plain = await site.start('plain', ...join);
      await until(() => plain.log.some((line) => line.includes('TLS')));
      const stranger = await refused(site.options('x', ...join, '--peer-cert', 'nowhere.pem'));
      expect(stranger).toMatchObject({ code: 2 });
      expect(stranger.stderr).toContain('--peer-key and --peer-ca');
      const other = await site.start('two', ...join, ...(await tlsFlags(site, 'two', STRANGER)));
      await until(() => other.log.some((line) => line.includes('TLS fails')));
      await push([n2], 'Fine');
      expect(await members(one)).toHaveLength(2);
    },
    PATIENCE_MS,
  );
});

interface Audit {
  readonly events: readonly {
    readonly action: string;
    readonly actor: { readonly name: string } | null;
  }[];
}

describe('--standalone', () => {
  it(
    'two of three are lost for good: the last goes on alone, with everything, and grows again',
    async () => {
      const site = await Site.open();
      const [n1, n2, n3] = await site.three();
      await push([n2], 'Before');
      const lives = await refused(site.options('n9', '--standalone'));
      expect(lives.stderr).toContain('this data directory has none');
      await n3.kill('SIGTERM');
      const guarded = await refused(site.options('n3', '--standalone'));
      expect(guarded.stderr).toContain('this one still works');
      await Promise.all([n1, n2].map((daemon) => daemon.kill('SIGKILL')));

      const alone = await site.start('n3', '--standalone', '--peer', n3.addresses.peer);
      await until(() => isReady(alone));
      expect(await alertNames(alone)).toEqual(['Before']);
      expect(alone.log.some((line) => line.includes('whatever the others committed after'))).toBe(
        true,
      );
      await until(async () => {
        const { events } = (await alone.get('/tocsin/v1/audit')) as Audit;
        const [last] = events;
        return last?.action === 'forceNewCluster' && last.actor?.name === 'n3';
      });
      await alone.kill('SIGKILL');
      const again = await site.start('n3', '--standalone', '--peer', n3.addresses.peer);
      await until(() => isReady(again));

      // It remembers where the survivor was, and is told what has become of its cluster.
      const old = await refused(site.options('n1'));
      expect(old.code).toBe(1);
      expect(old.stderr).toContain('start it with an empty data directory and --join');
      await rm(site.dataDir('n1'), { recursive: true });
      const back = await site.start('n1', '--join', again.addresses.peer);
      await together([again, back]);
      expect(await alertNames(back)).toEqual(['Before']);
    },
    PATIENCE_MS,
  );
});

describe.skipIf(!hasEtcd)('--etcd', () => {
  it(
    'three start at the same time and assemble themselves; etcd dies, and nothing changes',
    async () => {
      const etcd = await Etcd.start();
      const site = await Site.open();
      const flags = ['--etcd', etcd.url, '--cluster', 'prod'];
      const names = ['n1', 'n2', 'n3'];
      const daemons = await Promise.all(names.map((name) => site.start(name, ...flags)));
      await together(daemons);
      await etcd.kill();
      await push(daemons, 'WithoutEtcd');

      await Promise.all(daemons.map((daemon) => daemon.kill('SIGKILL')));
      await etcd.start();
      const again = await Promise.all(names.map((name) => site.start(name, ...flags)));
      await together(again);
      for (const daemon of again) expect(await alertNames(daemon)).toEqual(['WithoutEtcd']);
    },
    PATIENCE_MS,
  );

  it(
    'etcd is not there yet, then full of lies: the nodes listen, wait, and assemble all the same',
    async () => {
      const etcd = await Etcd.unstarted();
      const site = await Site.open();
      const flags = ['--etcd', etcd.url, '--cluster', 'prod'];
      const n1 = await site.start('n1', ...flags);
      const n2 = await site.start('n2', ...flags);
      expect(await isReady(n1)).toBe(false);
      expect(await members(n1)).toMatchObject([{ name: 'n1', role: 'learner' }]);
      const early = await n1.post('/api/v2/alerts', [{ labels: { alertname: 'Early' } }]);
      expect(early.status).toBe(503);
      expect(await early.json()).toContain('waits to be let into a cluster');

      await etcd.start();
      const ghost = { nodeId: 'ghost', name: 'ghost', peerAddress: n1.addresses.http };
      await etcd.client
        .put('/tocsin/prod/members/ghost')
        .value(JSON.stringify({ ...ghost, httpAddress: 'x:1' }));
      await etcd.client.put('/tocsin/prod/members/junk').value('{{{');
      await together([n1, n2]);
      await push([n2], 'Fine');
    },
    PATIENCE_MS,
  );

  it('clusters of two names share an etcd and do not see each other', async () => {
    const etcd = await Etcd.start();
    const site = await Site.open();
    const blue = await site.start('blue', '--etcd', etcd.url, '--cluster', 'blue');
    const green = await site.start('green', '--etcd', etcd.url, '--cluster', 'green');
    await until(async () => (await isReady(blue)) && (await isReady(green)));
    expect(await members(blue)).toHaveLength(1);
    expect(await members(green)).toHaveLength(1);
  });
});
