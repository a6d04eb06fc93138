/** Founding a cluster through etcd: exactly one founder, whatever happens to etcd meanwhile. */

import { createServer } from 'node:net';
import { once } from 'node:events';
import { describe, expect, it, onTestFinished } from 'vitest';
import { HandClock } from '../support/hand-clock.ts';
import { Etcd, freePort, hasEtcd, node, patience, seeker, until } from './etcd.ts';

const [ann, bob] = [node(1).nodeId, node(2).nodeId];

describe.skipIf(!hasEtcd)('founding a cluster', () => {
  it('of many that start at the same time exactly one is the founder, and all agree on the id', async () => {
    const etcd = await Etcd.start();
    const nodes = await Promise.all(
      [1, 2, 3, 4, 5].map(async (number) => ({ number, ...(await seeker(etcd.url)) })),
    );
    const claims = await Promise.all(
      nodes.map(({ number, discovery }) =>
        discovery.claim(node(number).nodeId, `cluster-of-${number}`, patience()),
      ),
    );
    const founders = claims.filter(({ founder }) => founder);
    expect(founders).toHaveLength(1);
    expect(new Set(claims.map(({ clusterId }) => clusterId))).toEqual(
      new Set([founders[0]?.clusterId]),
    );
    expect(new Set(claims.map(({ founderId }) => founderId)).size).toBe(1);
  });

  it('the founder that crashed before it bootstrapped is the founder again, of the same cluster', async () => {
    const etcd = await Etcd.start();
    const { discovery } = await seeker(etcd.url);
    await discovery.claim(ann, 'first', patience());
    await discovery.close();
    const { discovery: again } = await seeker(etcd.url);
    expect(await again.claim(ann, 'second', patience())).toEqual({
      founder: true,
      clusterId: 'first',
      founderId: ann,
    });
    expect(await again.claim(bob, 'third', patience())).toEqual({
      founder: false,
      clusterId: 'first',
      founderId: ann,
    });
  });

  it('clusters of two names found themselves side by side', async () => {
    const etcd = await Etcd.start();
    const { discovery: east } = await seeker(etcd.url, { cluster: 'east' });
    const { discovery: eastern } = await seeker(etcd.url, { cluster: 'east-2' });
    expect(await east.claim(ann, 'a', patience())).toMatchObject({ founder: true, clusterId: 'a' });
    expect(await eastern.claim(bob, 'b', patience())).toMatchObject({
      founder: true,
      clusterId: 'b',
    });
  });

  it('an etcd that is killed and comes back has forgotten nothing', async () => {
    const etcd = await Etcd.start();
    const { discovery } = await seeker(etcd.url);
    await discovery.claim(ann, 'first', patience());
    await etcd.kill();
    await etcd.start();
    expect(await discovery.claim(bob, 'second', patience())).toMatchObject({
      founder: false,
      clusterId: 'first',
    });
  });

  it('a node that starts before etcd waits for it, and says what for', async () => {
    const etcd = await Etcd.unstarted();
    const { discovery, logger, said } = await seeker(etcd.url);
    const claimed = discovery.claim(ann, 'first', patience());
    await until(() => said().length > 0);
    expect(logger.lines[0]).toMatchObject({
      level: 'warn',
      message: 'waiting for etcd',
      fields: {
        urls: [etcd.url],
        error: `connect ECONNREFUSED 127.0.0.1:${etcd.url.split(':').at(-1)}`,
      },
    });
    await etcd.start();
    expect(await claimed).toMatchObject({ founder: true, clusterId: 'first' });
    expect(said()).toEqual(['waiting for etcd', 'etcd answered']);
  });

  it('an identity that cannot be read is not replaced, and a person is told which key it is', async () => {
    const etcd = await Etcd.start();
    await etcd.client.put('/tocsin/tocsin/identity').value('{"clusterId": 7');
    const { discovery, logger, said } = await seeker(etcd.url);
    const claimed = discovery.claim(ann, 'first', patience());
    await until(() => said().length > 0);
    const error = logger.lines[0]?.fields['error'];
    expect(error).toMatch(/^\/tocsin\/tocsin\/identity in etcd holds "\{\\"clusterId\\": 7"/);
    expect(await etcd.client.get('/tocsin/tocsin/identity')).toBe('{"clusterId": 7');
    await etcd.client.delete().key('/tocsin/tocsin/identity');
    expect(await claimed).toMatchObject({ founder: true });
  });
});

describe('an etcd that is not there', () => {
  it('is named at first and then every 30 seconds, however often it is tried', async () => {
    const clock = new HandClock(0);
    const { discovery, logger } = await seeker(`http://127.0.0.1:${await freePort()}`, { clock });
    const stop = new AbortController();
    const claimed = discovery.claim(ann, 'first', stop.signal);
    const ended = claimed.catch((error: unknown) => error);
    await until(() => logger.lines.length === 1);
    await until(() => {
      clock.advance(500);
      return logger.lines.length === 2;
    });
    stop.abort(new Error('told to stop'));
    expect(await ended).toEqual(new Error('told to stop'));
    const [first, second] = logger.lines.map(({ fields }) => fields['waitedMs']);
    expect(first).toBe(0);
    expect(second).toBeGreaterThanOrEqual(30_000);
  });

  it('is one that takes the connection and says nothing: the wait ends with the signal', async () => {
    const server = createServer((socket) => socket.resume());
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    onTestFinished(() => void server.close());
    const { port } = server.address() as { port: number };
    const { discovery, logger, said } = await seeker(`http://127.0.0.1:${port}`);
    const stop = new AbortController();
    const claimed = discovery.claim(ann, 'first', stop.signal);
    await until(() => said().length > 0);
    expect(logger.lines[0]?.fields['error']).toMatch(/^Deadline exceeded/);
    await expect(discovery.addresses()).rejects.toThrow(/Deadline exceeded/);
    stop.abort(new Error('told to stop'));
    await expect(claimed).rejects.toThrow('told to stop');
  });

  it('does not hold up a node that stops', async () => {
    const { discovery } = await seeker(`http://127.0.0.1:${await freePort()}`);
    const claimed = discovery.claim(ann, 'first', patience());
    discovery.announce(node(1));
    discovery.watch(() => undefined);
    const ended = claimed.catch((error: unknown) => error);
    await discovery.close();
    expect(await ended).toEqual(new Error('discovery is closed'));
  });
});

describe.skipIf(!hasEtcd)('after a recovery', () => {
  it('newcomers are sent to the node that was recovered', async () => {
    const etcd = await Etcd.start();
    const { discovery } = await seeker(etcd.url);
    await discovery.claim(ann, 'c', patience());
    const recovered = { nodeId: bob, clusterId: 'c~1' };
    expect(await discovery.restate(recovered, patience())).toEqual({ ok: true });
    expect(await discovery.restate(recovered, patience())).toEqual({ ok: true });
    expect(await discovery.claim(ann, 'other', patience())).toEqual({
      founder: false,
      clusterId: 'c~1',
      founderId: bob,
    });
    expect(await discovery.restate({ nodeId: ann, clusterId: 'c~2' }, patience())).toEqual({
      ok: true,
    });
  });

  it('an etcd that has lost everything is told anew', async () => {
    const etcd = await Etcd.start();
    const { discovery } = await seeker(etcd.url);
    expect(await discovery.restate({ nodeId: bob, clusterId: 'c~1' }, patience())).toEqual({
      ok: true,
    });
    expect(await discovery.claim(bob, 'other', patience())).toMatchObject({
      founder: true,
      clusterId: 'c~1',
    });
  });

  it.each([
    ['two nodes were recovered at the same time', 'c~1'],
    ['somebody has recovered it later', 'c~2'],
    ['the name belongs to another cluster', 'd'],
  ])('when %s the second is refused and nothing changes', async (_, there) => {
    const etcd = await Etcd.start();
    const { discovery } = await seeker(etcd.url);
    await discovery.claim(ann, there, patience());
    const answer = await discovery.restate({ nodeId: bob, clusterId: 'c~1' }, patience());
    expect(answer).toMatchObject({
      ok: false,
      message: expect.stringContaining(`names the cluster ${there} of the node ${ann}`) as string,
    });
    expect(await discovery.claim(bob, 'x', patience())).toMatchObject({ clusterId: there });
  });

  it('two that restate at the same time do not both succeed', async () => {
    const etcd = await Etcd.start();
    const { discovery } = await seeker(etcd.url);
    const { discovery: other } = await seeker(etcd.url);
    await discovery.claim(ann, 'c', patience());
    const answers = await Promise.all([
      discovery.restate({ nodeId: ann, clusterId: 'c~1' }, patience()),
      other.restate({ nodeId: bob, clusterId: 'c~1' }, patience()),
    ]);
    expect(answers.filter(({ ok }) => ok)).toHaveLength(1);
  });
});
