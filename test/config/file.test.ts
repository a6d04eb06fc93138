import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { LIMITS } from '../../src/commands/limits.ts';
import { readConfigFile } from '../../src/io/config/file.ts';
import { problemText } from '../../src/io/config/problems.ts';
import { BASE } from './reading.ts';

let folder = '';

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tocsin-config-'));
});

afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

/** What is printed about a file, without the name of the temporary folder. */
async function printed(name: string): Promise<string[]> {
  const read = await readConfigFile({ file: join(folder, name) });
  const problems = read.ok ? read.warnings : read.problems;
  return problems.map((problem) => problemText(problem).replace(`${folder}/`, ''));
}

test('a file that is not there', async () => {
  expect(await printed('absent.yml')).toEqual([
    'absent.yml:1:1: there is no such file (hint: check the path given with --config)',
  ]);
});

test('a folder', async () => {
  await mkdir(join(folder, 'conf.d'));

  expect(await printed('conf.d')).toEqual([
    'conf.d:1:1: is a folder, not a file (hint: name the file in it)',
  ]);
});

test('a file in another encoding', async () => {
  await writeFile(join(folder, 'latin1.yml'), Buffer.from('# gr\xfc\xdfe\n', 'latin1'));

  expect(await printed('latin1.yml')).toEqual([
    'latin1.yml:1:1: is not UTF-8 (hint: save it as UTF-8 text)',
  ]);
});

test('a file that is too large to be one', async () => {
  await writeFile(join(folder, 'huge.yml'), Buffer.alloc(LIMITS.configText + 1, '#'));

  expect(await printed('huge.yml')).toEqual([
    'huge.yml:1:1: is larger than 4194304 bytes (hint: is it a configuration file?)',
  ]);
});

test.skipIf(process.getuid?.() === 0)('a file of somebody else', async () => {
  await writeFile(join(folder, 'secret.yml'), BASE);
  await chmod(join(folder, 'secret.yml'), 0);

  expect(await printed('secret.yml')).toEqual([
    'secret.yml:1:1: may not be read by this user (hint: check its owner and mode)',
  ]);
});

test('a file that starts with a byte order mark', async () => {
  await writeFile(join(folder, 'bom.yml'), `\uFEFF${BASE}`);

  expect(await printed('bom.yml')).toEqual([]);
});

test('templates are looked for beside the file, and a pattern without a file is a warning', async () => {
  await mkdir(join(folder, 'templates'));
  await writeFile(join(folder, 'templates', 'page.tmpl'), '');
  const templates = `templates:\n  - templates/*.tmpl\n  - 'nowhere/*.tmpl'\n  - ${folder}/templates/page.tmp?\n`;
  await writeFile(join(folder, 'templates.yml'), BASE + templates);

  expect(await printed('templates.yml')).toEqual([
    'templates.yml:7:5: templates[1]: "nowhere/*.tmpl" matches no file (hint: the path is relative to the folder of the configuration file)',
  ]);
});
