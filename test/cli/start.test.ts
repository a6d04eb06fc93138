import { Writable } from 'node:stream';
import type { Command } from 'commander';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { chaosCommand } from '../../src/io/cli/chaos.ts';
import { checkCommand } from '../../src/io/cli/check.ts';
import { forgetEmptyVariables } from '../../src/io/cli/environment.ts';
import { membersCommand } from '../../src/io/cli/members.ts';
import { replayCommand } from '../../src/io/cli/replay.ts';
import { snapshotCommand } from '../../src/io/cli/snapshot.ts';
import { startCommand } from '../../src/io/cli/start.ts';
import { statusCommand } from '../../src/io/cli/status.ts';

afterEach(() => vi.unstubAllEnvs());

const nowhere = new Writable({ write: (_, __, done) => done() });
const io = { stdout: nowhere, stderr: nowhere, finish: () => undefined };

/** All commands as the program has them, made with the environment as it is. */
function commands(): readonly Command[] {
  const all = [
    startCommand(() => undefined),
    statusCommand(io),
    membersCommand(io),
    checkCommand(io),
    replayCommand(io),
    snapshotCommand(io),
    chaosCommand(io),
  ];
  return all.flatMap(withSubcommands).filter(({ options }) => options.length > 0);
}

function withSubcommands(command: Command): readonly Command[] {
  return [command, ...command.commands.flatMap(withSubcommands)];
}

/** Every flag that a variable can set. */
const FLAGS = commands().flatMap((command) =>
  command.options.flatMap(({ envVar }) =>
    envVar === undefined ? [] : [{ command: command.name(), variable: envVar }],
  ),
);

/** The values of a command's flags when it is called with as little as it takes. */
async function valuesOf(name: string): Promise<unknown> {
  forgetEmptyVariables(process.env);
  const command = commands().find((each) => each.name() === name);
  command?.action(() => undefined).exitOverride();
  const places = command?.registeredArguments.filter(({ required }) => required) ?? [];
  const flags = name === 'start' ? ['--config', 'tocsin.yml'] : [];
  await command?.parseAsync([...flags, ...places.map(() => 'x')], { from: 'user' });
  return command?.opts();
}

describe('a variable that is empty is one that is not set', () => {
  it('for more than thirty flags, of every command that reads the environment', () => {
    expect(FLAGS.length).toBeGreaterThan(30);
    expect(new Set(FLAGS.map(({ command }) => command))).toEqual(
      new Set(['start', 'status', 'list', 'remove', 'transfer', 'config', 'chaos']),
    );
  });

  it.each(FLAGS.filter(({ variable }) => variable !== 'TOCSIN_CONFIG'))(
    '$variable of $command',
    async ({ command, variable }) => {
      const unset = await valuesOf(command);

      for (const empty of ['', ' ']) {
        vi.stubEnv(variable, empty);
        expect(await valuesOf(command)).toEqual(unset);
      }
    },
  );

  it('TOCSIN_CONFIG, which start cannot do without', async () => {
    vi.stubEnv('TOCSIN_CONFIG', '');
    forgetEmptyVariables(process.env);
    const command = startCommand(() => undefined).exitOverride();
    command.configureOutput({ writeErr: () => undefined });

    await expect(command.parseAsync([], { from: 'user' })).rejects.toThrow('--config <file>');
  });

  it('and no variable of anybody else is touched', () => {
    const environment = { HOME: '', TOCSIN_NAME: '', TOCSIN_JOIN: 'a:1' };
    forgetEmptyVariables(environment);

    expect(environment).toEqual({ HOME: '', TOCSIN_JOIN: 'a:1' });
  });
});

describe('the variable of a switch', () => {
  const switches = [
    ['start', 'TOCSIN_SHADOW', 'shadow'],
    ['start', 'TOCSIN_STANDALONE', 'standalone'],
    ['start', 'TOCSIN_CLASSIC_NAMES', 'classicNames'],
    ['config', 'TOCSIN_CLASSIC_NAMES', 'classicNames'],
  ] as const;

  it.each(switches)('%s %s is on for a yes and off for a no', async (command, variable, key) => {
    for (const yes of ['1', 'true', 'yes', 'on']) {
      vi.stubEnv(variable, yes);
      expect(await valuesOf(command)).toMatchObject({ [key]: true });
    }
    for (const no of ['0', 'false', 'No', 'n', 'off', '', undefined]) {
      vi.stubEnv(variable, no);
      expect(await valuesOf(command)).toMatchObject({ [key]: false });
    }
  });
});

describe('--external-url', () => {
  it('is refused where notifications could not link to it', async () => {
    const command = startCommand(() => undefined).exitOverride();
    command.configureOutput({ writeErr: () => undefined });

    await expect(
      command.parseAsync(['--config', 'a', '--external-url', 'http://${HOST}/'], { from: 'user' }),
    ).rejects.toThrow('has a character in its host that no host name has');
  });
});

describe('a variable that nobody filled in', () => {
  it.each([
    ['--http', '${HOST}:9093'],
    ['--peer', '${HOST}:9094'],
    ['--carbon', '${HOST}:2003'],
    ['--graphite', '${HOST}:2003'],
    ['--join', 'a:9094,${HOST}:9094'],
    ['--join', 'a:${PORT}'],
    ['--join', '[${HOST}]:9094'],
    ['--join', 'a:65536'],
    ['--advertise', '${HOST}'],
    ['--external-url', 'http://${HOST}/'],
  ])('is no host: %s %s is refused', async (flag, value) => {
    const command = startCommand(() => undefined)
      .exitOverride()
      .configureOutput({ writeErr: () => undefined })
      .action(() => undefined);
    const parsed = command.parseAsync(['--config', 'x.yml', flag, value], { from: 'user' });
    await expect(parsed).rejects.toThrow(`option '${flag}`);
  });

  it.each([
    ['--http', ':9093'],
    ['--http', '[::1]:0'],
    ['--peer', 'node_1.example-a.com:9094'],
    ['--join', '10.0.0.7:9094,[fe80::1]:9094,b:1'],
    ['--graphite', 'größe.example:2003'],
    ['--advertise', 'fe80::1'],
  ])('unlike a host: %s %s is taken', async (flag, value) => {
    const command = startCommand(() => undefined)
      .exitOverride()
      .action(() => undefined);
    await command.parseAsync(['--config', 'x.yml', flag, value], { from: 'user' });
  });
});

describe('--trusted-proxy', () => {
  const parse = async (...flags: readonly string[]): Promise<unknown> => {
    const command = startCommand(() => undefined).exitOverride();
    command.configureOutput({ writeErr: () => undefined }).action(() => undefined);
    await command.parseAsync(['--config', 'tocsin.yml', ...flags], { from: 'user' });
    return command.opts()['trustedProxy'];
  };
  const both = [
    { address: '10.0.0.7', prefix: 32 },
    { address: 'fd00::', prefix: 8 },
  ];

  it('may be repeated, and takes lists, as its variable does', async () => {
    expect(await parse()).toEqual([]);
    expect(await parse('--trusted-proxy', '10.0.0.7', '--trusted-proxy', 'fd00::/8')).toEqual(both);
    expect(await parse('--trusted-proxy', '10.0.0.7,fd00::/8')).toEqual(both);
    vi.stubEnv('TOCSIN_TRUSTED_PROXY', '10.0.0.7, fd00::/8');
    expect(await parse()).toEqual(both);
  });

  it('names what is neither an address nor a network', async () => {
    await expect(parse('--trusted-proxy', '10.0.0.7,proxy.example')).rejects.toThrow(
      'proxy.example is neither an IP address nor a network. Write 10.0.0.7 or 10.0.0.0/24.',
    );
  });
});
