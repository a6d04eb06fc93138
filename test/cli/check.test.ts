import { chmod, mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { checkCommand } from '../../src/io/cli/check.ts';
import { Captured, temporaryFolder } from './recording.ts';

const GOOD = `
route: {receiver: team}
receivers:
  - name: team
    webhook_configs: [{url: 'http://127.0.0.1:9095/'}]
checks:
  - {name: HighCpu, series: 'servers.*.cpu.user', above: 90, for: 5m}
`;

async function check(...args: readonly string[]) {
  const io = { stdout: new Captured(), stderr: new Captured(), codes: [] as number[] };
  const command = checkCommand({ ...io, finish: (code) => io.codes.push(code) });
  for (const each of [command, ...command.commands]) {
    each.exitOverride().configureOutput({ writeErr: (text) => void io.stderr.write(text) });
  }
  await command.parseAsync(args, { from: 'user' });
  return { code: io.codes[0], out: io.stdout.text, talk: io.stderr.text };
}

async function file(text: string, name = 'tocsin.yml'): Promise<string> {
  const at = path.join(await temporaryFolder(), name);
  await writeFile(at, text);
  return at;
}

describe('check config', () => {
  test('sums up a good file on stdout', async () => {
    const at = await file(GOOD);

    const { code, out, talk } = await check('config', at);

    expect(out).toMatch(new RegExp(`^${at} is good: .*1 check.*\n$`));
    expect(talk).toBe('');
    expect(code).toBe(0);
  });

  test('names every problem at once, each at its line and column, with the fix', async () => {
    const at = await file(
      GOOD.replace('receiver: team', 'receiver: taem').replace('for: 5m', 'for: soon'),
    );

    const { code, out, talk } = await check('config', at);

    const lines = talk.trimEnd().split('\n');
    expect(lines).toHaveLength(2);
    expect(lines[0]).toMatch(/^error: .*tocsin\.yml:2:\d+: route\.receiver: .*"taem".*team/);
    expect(lines[1]).toMatch(/^error: .*tocsin\.yml:7:\d+: checks\[0\]\.for: .*"soon"/);
    expect(out).toBe('');
    expect(code).toBe(1);
  });

  test('shows a warning and still says that the file can be used', async () => {
    const at = await file(`${GOOD}templates: ['nowhere/*.tmpl']\n`);

    const { code, out, talk } = await check('config', at);

    expect(talk).toMatch(/^warning: .*tocsin\.yml:8:\d+: .*matches no file/);
    expect(out).toContain('is good');
    expect(code).toBe(0);
  });

  test('prints JSON with the place of each problem in fields', async () => {
    const good = await check('config', await file(GOOD), '-o', 'json');
    const bad = await check('config', await file('route: [\n'), '-o', 'json');

    expect(JSON.parse(good.out)).toMatchObject({ ok: true, problems: [], warnings: [] });
    expect(JSON.parse(bad.out)).toMatchObject({ ok: false, summary: null });
    expect(JSON.parse(bad.out)).toHaveProperty('problems[0].line');
    expect(bad.talk).toBe('');
    expect([good.code, bad.code]).toEqual([0, 1]);
  });

  test.each([
    ['missing', async (folder: string) => path.join(folder, 'none.yml'), 'there is no such file'],
    [
      'a folder',
      async (folder: string) => {
        await mkdir(path.join(folder, 'conf.d'));
        return path.join(folder, 'conf.d');
      },
      'is a folder, not a file',
    ],
    ['empty', async () => file(''), 'error: '],
    [
      'not text',
      async (folder: string) => {
        await writeFile(path.join(folder, 'bytes'), Uint8Array.of(0xff, 0xfe, 0x00));
        await chmod(path.join(folder, 'bytes'), 0o600);
        return path.join(folder, 'bytes');
      },
      'is not UTF-8',
    ],
  ])('a file that is %s is a problem like any other', async (_, make, sentence) => {
    const { code, talk } = await check('config', await make(await temporaryFolder()));

    expect(talk).toContain(sentence);
    expect(code).toBe(1);
  });

  test.each([
    [['config'], "missing required argument 'file'"],
    [['config', 'a.yml', '--loud'], "unknown option '--loud'"],
    [['config', 'a.yml', '-o', 'yaml'], 'Allowed choices are text, json'],
    [['rules'], "unknown command 'rules'"],
  ])('refuses %j as wrong usage', async (args, sentence) => {
    await expect(check(...args)).rejects.toThrow(sentence);
  });
});
