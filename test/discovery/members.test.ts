/** Members announce themselves in etcd and find one another, while etcd comes and goes. */

import { describe, expect, it } from 'vitest';
import type { Announced } from '../../src/io/discovery/address-book.ts';
import { Etcd, hasEtcd, node, seeker, until, type Seeker } from './etcd.ts';

const PREFIX = '/tocsin/tocsin/members/';

async function found({ discovery }: Seeker): Promise<readonly string[]> {
  const announced = await discovery.addresses().catch(() => []);
  return announced.map(({ name }) => name);
}

/** Waits until this node sees exactly these. */
function sees(seen: Seeker, ...names: readonly string[]): Promise<void> {
  return until(async () => (await found(seen)).join() === names.join());
}

describe.skipIf(!hasEtcd)('announcing', () => {
  it('nodes find one another, with their addresses', async () => {
    const etcd = await Etcd.start();
    const [first, second] = [await seeker(etcd.url), await seeker(etcd.url)];
    second.discovery.announce(node(2));
    first.discovery.announce(node(1));
    await sees(first, 'n1', 'n2');
    expect(await first.discovery.addresses()).toEqual([node(1), node(2)]);
  });

  it('a new address replaces the old one', async () => {
    const etcd = await Etcd.start();
    const seen = await seeker(etcd.url);
    seen.discovery.announce(node(1));
    await sees(seen, 'n1');
    seen.discovery.announce(node(1, { peerAddress: 'moved.example:9094', name: 'moved' }));
    await sees(seen, 'moved');
    expect(await seen.discovery.addresses()).toEqual([
      node(1, { peerAddress: 'moved.example:9094', name: 'moved' }),
    ]);
  });

  it('a node that withdraws is gone at once, and may come back', async () => {
    const etcd = await Etcd.start();
    // A lease that does not run out while the test lasts.
    const seen = await seeker(etcd.url, { leaseSeconds: 600 });
    seen.discovery.announce(node(1));
    await sees(seen, 'n1');
    await seen.discovery.withdraw();
    expect(await found(seen)).toEqual([]);
    seen.discovery.announce(node(1));
    await sees(seen, 'n1');
  });

  it('a node that dies is forgotten when its lease has run out; one that lives stays', async () => {
    const etcd = await Etcd.start();
    const living = await seeker(etcd.url);
    living.discovery.announce(node(1));
    await sees(living, 'n1');
    const { ID } = await etcd.client.leaseClient.leaseGrant({ TTL: 1 });
    const dead = node(2);
    await etcd.client
      .put(PREFIX + dead.nodeId)
      .value(JSON.stringify(dead))
      .lease(ID);
    await sees(living, 'n1', 'n2');
    await sees(living, 'n1');
    expect(living.said()).toEqual([]);
  });

  it('a lease that somebody revoked is granted again, once, without a word', async () => {
    const etcd = await Etcd.start();
    const seen = await seeker(etcd.url);
    seen.discovery.announce(node(1));
    await sees(seen, 'n1');
    const { leases } = await etcd.client.leaseClient.leaseLeases();
    for (const { ID } of leases) await etcd.client.leaseClient.leaseRevoke({ ID });
    await sees(seen, 'n1');
    expect((await etcd.client.leaseClient.leaseLeases()).leases).toHaveLength(1);
    expect(seen.said()).toEqual([]);
  });

  it('an entry that somebody deleted or overwrote is repaired', async () => {
    const etcd = await Etcd.start();
    const seen = await seeker(etcd.url);
    seen.discovery.announce(node(1));
    await sees(seen, 'n1');
    await etcd.client.delete().prefix('/tocsin');
    await sees(seen, 'n1');
    await etcd.client.put(PREFIX + node(1).nodeId).value(JSON.stringify(node(1, { name: 'liar' })));
    await sees(seen, 'n1');
  });

  it('a node that is started again takes its entry over from the lease of its dead predecessor', async () => {
    const etcd = await Etcd.start();
    const key = PREFIX + node(1).nodeId;
    const { ID } = await etcd.client.leaseClient.leaseGrant({ TTL: 600 });
    await etcd.client
      .put(key)
      .value(JSON.stringify(node(1)))
      .lease(ID);
    const seen = await seeker(etcd.url);
    seen.discovery.announce(node(1));
    await until(async () => (await etcd.client.get(key).exec()).kvs[0]?.lease !== ID);
    await etcd.client.leaseClient.leaseRevoke({ ID });
    expect(await found(seen)).toEqual(['n1']);
  });

  it('clusters of two names do not see one another', async () => {
    const etcd = await Etcd.start();
    const east = await seeker(etcd.url, { cluster: 'east' });
    const eastern = await seeker(etcd.url, { cluster: 'east.2' });
    east.discovery.announce(node(1));
    eastern.discovery.announce(node(2));
    await sees(east, 'n1');
    await sees(eastern, 'n2');
  });
});

describe.skipIf(!hasEtcd)('an etcd that comes and goes', () => {
  it('was away when the node started: it is announced as soon as etcd is there', async () => {
    const etcd = await Etcd.unstarted();
    const seen = await seeker(etcd.url);
    seen.discovery.announce(node(1));
    await until(() => seen.said().includes('etcd away'));
    await etcd.start();
    await sees(seen, 'n1');
    await until(() => seen.said().includes('etcd back'));
    expect(seen.said()).toEqual(['etcd away', 'etcd back']);
  });

  it('is killed for longer than the lease lasts: the node is announced again', async () => {
    const etcd = await Etcd.start();
    const seen = await seeker(etcd.url);
    seen.discovery.announce(node(1));
    await sees(seen, 'n1');
    await etcd.kill();
    await until(() => seen.said().includes('etcd away'));
    await etcd.start();
    // What etcd kept of the lease it may take back; from then on it is a new one.
    const { leases } = await etcd.client.leaseClient.leaseLeases();
    for (const { ID } of leases) await etcd.client.leaseClient.leaseRevoke({ ID }).catch(() => {});
    await sees(seen, 'n1');
    await until(() => seen.said().includes('etcd back'));
    expect(seen.said()).toEqual(['etcd away', 'etcd back']);
    expect(seen.logger.lines[0]).toMatchObject({ level: 'warn', fields: { urls: [etcd.url] } });
  });

  it('stands still with its connections open, and goes on', async () => {
    const etcd = await Etcd.start();
    const seen = await seeker(etcd.url);
    seen.discovery.announce(node(1));
    await sees(seen, 'n1');
    etcd.signal('SIGSTOP');
    await until(() => seen.said().includes('etcd away'));
    etcd.signal('SIGCONT');
    await until(() => seen.said().includes('etcd back'));
    await sees(seen, 'n1');
  });

  it('is dead when the node withdraws: that ends all the same', async () => {
    const etcd = await Etcd.start();
    const seen = await seeker(etcd.url);
    seen.discovery.announce(node(1));
    await sees(seen, 'n1');
    await etcd.kill();
    await seen.discovery.withdraw();
    await expect(seen.discovery.addresses()).rejects.toThrow('ECONNREFUSED');
    await seen.discovery.close();
  });

  it('has one member that is dead: the others answer', async () => {
    const [dead, living] = [await Etcd.unstarted(), await Etcd.start()];
    const seen = await seeker(`${dead.url},${living.url}`);
    for (let round = 0; round < 10; round++) expect(await seen.discovery.addresses()).toEqual([]);
    seen.discovery.announce(node(1));
    await sees(seen, 'n1');
    expect(seen.said()).toEqual([]);
  });
});

describe.skipIf(!hasEtcd)('watching', () => {
  it('tells who is there at first, and each change, also across the death of etcd', async () => {
    const etcd = await Etcd.start();
    const [watcher, other] = [await seeker(etcd.url), await seeker(etcd.url)];
    const heard: string[] = [];
    const end = watcher.discovery.watch((announced) => heard.push(namesOf(announced)));
    await until(() => heard.length === 1);
    watcher.discovery.announce(node(1));
    await until(() => heard.at(-1) === 'n1');
    await etcd.kill();
    await until(() => watcher.said().includes('etcd away'));
    other.discovery.announce(node(2));
    await etcd.start();
    await until(() => heard.at(-1) === 'n1,n2');
    await other.discovery.withdraw();
    await until(() => heard.at(-1) === 'n1');
    expect(heard[0]).toBe('');
    // Both announcing and watching have noticed, and it is said once.
    await until(() => watcher.said().length >= 2);
    expect(watcher.said()).toEqual(['etcd away', 'etcd back']);
    end();
  });

  it('tells nothing any more once it has ended', async () => {
    const etcd = await Etcd.start();
    const [watcher, other] = [await seeker(etcd.url), await seeker(etcd.url)];
    const heard: string[] = [];
    const ended: string[] = [];
    watcher.discovery.watch((announced) => ended.push(namesOf(announced)))();
    watcher.discovery.watch((announced) => heard.push(namesOf(announced)));
    other.discovery.announce(node(2));
    await until(() => heard.at(-1) === 'n2');
    expect(ended).toEqual([]);
  });

  it('an etcd full of lies: what is no entry is skipped and named once', async () => {
    const etcd = await Etcd.start();
    const liar = (key: string, value: string) => etcd.client.put(PREFIX + key).value(value);
    const { nodeId } = node(3);
    await liar('a', 'no JSON');
    await liar('b', 'null');
    await liar(nodeId, JSON.stringify(node(4)));
    await liar('c', JSON.stringify(node(5, { nodeId: 'c', peerAddress: 'nowhere' })));
    await liar('d', JSON.stringify(node(5, { nodeId: 'd', httpAddress: '1.2.3.4:99999999' })));
    await liar('e', JSON.stringify(node(5, { nodeId: 'e', name: '\u001b[2J' })));
    await liar('f', JSON.stringify({ ...node(6, { nodeId: 'f' }), newInSomeLaterVersion: true }));
    const seen = await seeker(etcd.url);
    expect(await found(seen)).toEqual(['n6']);
    expect(await found(seen)).toEqual(['n6']);
    expect(seen.logger.lines.map(({ fields }) => fields['key'])).toEqual(
      [nodeId, 'a', 'b', 'c', 'd', 'e'].map((key) => PREFIX + key),
    );
    await liar('a', 'another lie');
    await found(seen);
    expect(seen.logger.lines.at(-1)?.fields).toMatchObject({ key: `${PREFIX}a` });
    expect(seen.logger.lines).toHaveLength(7);
  });
});

function namesOf(announced: readonly Announced[]): string {
  return announced.map(({ name }) => name).join();
}
