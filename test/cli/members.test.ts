/** `tocsin members` against the real HTTP server: who belongs, who is sent away, who leads. */

import { describe, expect, test } from 'vitest';
import { membersCommand } from '../../src/io/cli/members.ts';
import { openDesk } from '../http/harness.ts';
import { Captured } from './recording.ts';

async function members(desk: { url: string }, ...args: readonly string[]) {
  const [stdout, stderr] = [new Captured(), new Captured()];
  let code = -1;
  const io = { stdout, stderr, finish: (exit: number) => void (code = exit) };
  await membersCommand(io).parseAsync([...args, '--url', desk.url], { from: 'user' });
  return { code, lines: stdout.lines, talk: stderr.text };
}

describe('tocsin members', () => {
  test('lists the members as the leader sees them', async () => {
    const { code, lines } = await members(await openDesk(), 'list');
    expect(lines[0]).toMatch(/^NAME +ROLE +LAG +HEARD +CLOCK +PEER +HTTP +NODE ID$/);
    expect(lines[1]).toMatch(
      /^n1 +leader +- +- +0 ms +127\.0\.0\.1:9094 +127\.0\.0\.1:9093 +node-1$/,
    );
    expect(code).toBe(0);
  });

  test('removes a member by its name, and says that it is done', async () => {
    const desk = await openDesk();
    const { code, talk } = await members(desk, 'remove', 'n1');
    const actor = { kind: 'address', name: '127.0.0.1' };
    expect(desk.node.changes).toEqual([{ op: 'remove', node: 'node-1', actor }]);
    expect(talk).toBe('done\n');
    expect(code).toBe(0);
  });

  test('hands leadership to whom the leader chooses, or to the one named', async () => {
    const desk = await openDesk();
    await members(desk, 'transfer');
    await members(desk, 'transfer', 'node-1');
    const actor = { kind: 'address', name: '127.0.0.1' };
    expect(desk.node.changes).toEqual([
      { op: 'transfer', node: null, actor },
      { op: 'transfer', node: 'node-1', actor },
    ]);
  });

  test('names the members when none is called like that, and changes nothing', async () => {
    const desk = await openDesk();
    const { code, talk } = await members(desk, 'remove', 'n2');
    expect(talk).toBe('error: no member is called n2; there are n1\n');
    expect(desk.node.changes).toEqual([]);
    expect(code).toBe(1);
  });

  test('tells a refusal from what can be tried again', async () => {
    const desk = await openDesk();
    desk.node.changeAnswer = { code: 'refused', message: 'the last voter cannot leave' };
    expect(await members(desk, 'remove', 'n1')).toMatchObject({
      code: 1,
      talk: 'error: the last voter cannot leave\n',
    });
    desk.node.changeAnswer = { code: 'retry', message: 'no leader just now' };
    expect(await members(desk, 'transfer')).toMatchObject({
      code: 4,
      talk: 'error: not done, try again: no leader just now\n',
    });
  });
});
