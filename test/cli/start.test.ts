import { afterEach, describe, expect, it, vi } from 'vitest';
import { startCommand } from '../../src/io/cli/start.ts';

afterEach(() => vi.unstubAllEnvs());

/** What `--shadow` is when nothing but its variable is set. */
async function shadowWith(value: string | undefined): Promise<unknown> {
  vi.stubEnv('TOCSIN_SHADOW', value);
  const command = startCommand(() => undefined).action(() => undefined);
  await command.parseAsync(['--config', 'tocsin.yml'], { from: 'user' });
  return command.opts()['shadow'];
}

describe('the variable of a switch', () => {
  it.each(['1', 'true', 'yes', 'on'])('%s turns it on', async (value) => {
    expect(await shadowWith(value)).toBe(true);
  });

  it.each(['0', 'false', 'No', 'off', '', undefined])('%s leaves it off', async (value) => {
    expect(await shadowWith(value)).toBe(false);
  });
});
