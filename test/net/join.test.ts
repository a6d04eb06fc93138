import { once } from 'node:events';
import { afterEach, describe, expect, it } from 'vitest';
import { encodeHello } from '../../src/io/net/hello.ts';
import type { JoinAnswer } from '../../src/io/ports.ts';
import { StandingClock } from '../monitors/world.ts';
import { call, endWorld, member, portOf, pretender, until, welcome, type Member } from './world.ts';

afterEach(endWorld);

function candidateOf(joiner: Member, httpAddress = '127.0.0.1:9093') {
  return {
    nodeId: joiner.nodeId,
    name: 'two',
    peerAddress: joiner.address,
    httpAddress,
    clusterId: '',
  };
}

describe('a node without data that asks to join', () => {
  it('is told the cluster, enters it, and is reached by those who let it in', async () => {
    const one = await member('one');
    const joiner = await member('two', { clusterId: null });
    const answer = await joiner.transport.askToJoin(one.address, candidateOf(joiner));
    expect(answer).toEqual({ ok: true, clusterId: 'cluster-1' });
    expect(one.receiver.candidates).toEqual([candidateOf(joiner)]);

    joiner.transport.enterCluster('cluster-1');
    one.transport.setPeers([joiner]);
    one.send('node-2', 'first entries');
    await until(() => joiner.receiver.frames.length === 1);
    joiner.send('node-1', 'have them');
    await until(() => one.receiver.frames.length === 1);
  });

  it('and listens on all interfaces is known by the address it came from', async () => {
    const one = await member('one');
    const joiner = await member('two', { clusterId: null, host: '0.0.0.0' });
    await joiner.transport.askToJoin(one.address, candidateOf(joiner, '0.0.0.0:9093'));
    const peerAddress = `127.0.0.1:${joiner.port}`;
    expect(one.receiver.candidates).toMatchObject([{ peerAddress, httpAddress: '127.0.0.1:9093' }]);
  });

  it.each<JoinAnswer>([
    { ok: false, code: 'retry', message: 'there is no leader just now' },
    { ok: false, code: 'refused', message: 'the name two is taken' },
  ])('hears the answer of the cluster: %j', async (answer) => {
    const one = await member('one');
    one.receiver.answer = () => Promise.resolve(answer);
    const joiner = await member('two', { clusterId: null });
    expect(await joiner.transport.askToJoin(one.address, candidateOf(joiner))).toEqual(answer);
  });

  it('hears as much of a very long answer as fits', async () => {
    const one = await member('one');
    one.receiver.answer = () =>
      Promise.resolve({ ok: false, code: 'refused', message: '\u{1F514}'.repeat(9_999) });
    const joiner = await member('two', { clusterId: null });
    const answer = await joiner.transport.askToJoin(one.address, candidateOf(joiner));
    expect(answer).toHaveProperty('message', '\u{1F514}'.repeat(500));
  });

  it('shall try again where nobody listens, or the address is none', async () => {
    const joiner = await member('two', { clusterId: null });
    const gone = await pretender(() => undefined);
    gone.close();
    const ask = (address: string) => joiner.transport.askToJoin(address, candidateOf(joiner));
    expect(await ask(gone.address)).toMatchObject({ ok: false, code: 'retry' });
    expect(await ask('nowhere')).toMatchObject({
      code: 'retry',
      message: '"nowhere" is no address: it must be HOST:PORT',
    });
  });

  it('shall try again at a member whose node has not started', async () => {
    const one = await member('one', { attached: false });
    const joiner = await member('two', { clusterId: null });
    expect(await joiner.transport.askToJoin(one.address, candidateOf(joiner))).toEqual({
      ok: false,
      code: 'retry',
      message: 'node one (node-1) is starting',
    });
  });

  it('waits 10 s for an answer, and no longer', async () => {
    const clock = new StandingClock();
    const one = await member('one');
    one.receiver.answer = () => new Promise(() => undefined);
    const joiner = await member('two', { clusterId: null, clock });
    const asked = joiner.transport.askToJoin(one.address, candidateOf(joiner));
    await until(() => one.receiver.candidates.length === 1);
    clock.pass(10_000);
    expect(await asked).toMatchObject({ code: 'retry', message: 'it does not answer within 10 s' });
  });

  it('is let go when the cluster has no answer after 10 s', async () => {
    const clock = new StandingClock();
    const one = await member('one', { clock });
    one.receiver.answer = () => new Promise(() => undefined);
    const joiner = await member('two', { clusterId: null });
    const asked = joiner.transport.askToJoin(one.address, candidateOf(joiner));
    await until(() => one.receiver.candidates.length === 1);
    clock.pass(10_000);
    expect(await asked).toMatchObject({ ok: false, code: 'retry' });
  });

  it('is stopped while it asks', async () => {
    const one = await member('one');
    one.receiver.answer = () => new Promise(() => undefined);
    const joiner = await member('two', { clusterId: null });
    const asked = joiner.transport.askToJoin(one.address, candidateOf(joiner));
    await until(() => one.receiver.candidates.length === 1);
    await joiner.transport.close();
    expect(await asked).toMatchObject({ code: 'retry', message: 'stopped' });
  });

  it('goes away while it is thought about: the answer is lost, and nothing else', async () => {
    const one = await member('one');
    let decide: (answer: JoinAnswer) => void = () => undefined;
    one.receiver.answer = () => new Promise((resolve) => (decide = resolve));
    const { socket } = await call(portOf(one.address));
    const applicant = {
      nodeId: 'node-2',
      name: 'two',
      peerAddress: '',
      httpAddress: '',
      clusterId: '',
    };
    socket.write(encodeHello({ kind: 'join', applicant }));
    await until(() => one.receiver.candidates.length === 1);
    const closed = once(socket, 'close');
    socket.resetAndDestroy();
    await closed;
    decide({ ok: true, clusterId: 'cluster-1' });
    const joiner = await member('two', { clusterId: null });
    one.receiver.answer = () => Promise.resolve({ ok: true, clusterId: 'cluster-1' });
    const answer = await joiner.transport.askToJoin(one.address, candidateOf(joiner));
    expect(answer.ok).toBe(true);
  });

  it('asks something that welcomes it as a member: that is no answer', async () => {
    const joiner = await member('two', { clusterId: null });
    const odd = await pretender((socket) => socket.write(welcome));
    const answer = await joiner.transport.askToJoin(odd.address, candidateOf(joiner));
    expect(answer).toMatchObject({ ok: false, code: 'refused' });
  });

  it('has an id that is none: it is refused before anything is sent', async () => {
    const one = await member('one');
    const joiner = await member('two', { clusterId: null });
    const candidate = { ...candidateOf(joiner), nodeId: 'not an id' };
    const answer = await joiner.transport.askToJoin(one.address, candidate);
    expect(answer).toMatchObject({ code: 'refused', message: expect.stringContaining('nodeId') });
  });
});
