/**
 * `tocsin start`: reads the command line, runs the daemon, and turns signals into its life cycle.
 *
 * Promise: everything that can be checked without opening the data directory is checked here, with
 * the flag named; SIGHUP reloads, the first SIGTERM or SIGINT stops in order, the second at once.
 */

import { isIPv6 } from 'node:net';
import { hostname } from 'node:os';
import { Command, InvalidArgumentError, Option } from 'commander';
import { parseDuration } from '../config/durations.ts';
import { parseNetwork } from '../config/networks.ts';
import { parseHttpUrl } from '../config/urls.ts';
import type { DaemonOptions, HostPort } from '../daemon/options.ts';
import { EXIT, type ExitCode } from '../daemon/exit.ts';
import { problemOfPeerPort } from '../daemon/peer-port.ts';
import { LOG_LEVELS, type LogLevel } from '../daemon/system-ports.ts';
import { env, toggle } from './environment.ts';

interface Flags {
  readonly config: string;
  readonly dataDir: string;
  readonly name: string;
  readonly http: HostPort;
  readonly peer: HostPort;
  readonly carbon: HostPort;
  readonly retention: Retention;
  readonly httpPrefix: string;
  readonly webConfig?: string;
  readonly allowedHost: readonly string[];
  readonly corsOrigin: readonly string[];
  readonly trustedProxy: DaemonOptions['trustedProxies'];
  readonly startDelay: number;
  readonly lateAfter: number;
  readonly classicNames: boolean;
  readonly externalUrl?: string;
  readonly logLevel: LogLevel;
  readonly join: readonly string[];
  readonly etcd?: string;
  readonly cluster: string;
  readonly standalone: boolean;
  readonly shadow: boolean;
  readonly advertise?: string;
  readonly peerCert?: string;
  readonly peerKey?: string;
  readonly peerCa?: string;
  readonly clusterSecretFile?: string;
  readonly peerInsecure: boolean;
  readonly graphite?: HostPort;
  readonly graphitePrefix: string;
}

interface Retention {
  readonly ms: number;
  readonly bytes: number;
}

const DEFAULT_RETENTION: Retention = { ms: 14 * 86_400_000, bytes: 20e9 };

/** Builds the subcommand; `finish` takes the exit code. */
export function startCommand(finish: (code: ExitCode) => void): Command {
  const command = new Command('start')
    .description('run a node')
    .addOption(
      env(
        new Option('--config <file>', 'configuration file (an Alertmanager file is accepted)'),
      ).makeOptionMandatory(),
    )
    .addOption(
      env(
        new Option('--data-dir <dir>', 'where the log and the snapshots are stored')
          .default('data')
          .argParser(notEmpty),
      ),
    )
    .addOption(
      env(new Option('--name <node>', 'name of this node').default(hostname()).argParser(notEmpty)),
    )
    .addOption(address('--http', 'HTTP API and status page', '127.0.0.1:9093'))
    .addOption(address('--peer', 'traffic between nodes', '127.0.0.1:9094'))
    .addOption(address('--carbon', 'Graphite line protocol, TCP and UDP', '127.0.0.1:2003'))
    .addOption(
      env(new Option('--retention <limits>', 'history kept for replay: 14d, 20GB or both'))
        .default(DEFAULT_RETENTION, '14d,20GB')
        .argParser(parseRetention),
    )
    .addOption(
      env(new Option('--http-prefix <path>', 'path under which HTTP is served'))
        .default('')
        .argParser(parsePrefix),
    )
    .addOption(
      env(
        new Option('--web-config <file>', "TLS, users and tokens: Alertmanager's web.config.file"),
      ),
    )
    .addOption(
      env(new Option('--allowed-host <names>', 'further names of this server, NAME[,NAME]'))
        .default([], 'none')
        .argParser(parseHostNames),
    )
    .addOption(
      env(
        new Option('--cors-origin <origins>', 'web pages that may change things, ORIGIN[,ORIGIN]'),
      )
        .default([], 'none')
        .argParser(parseOrigins),
    )
    .addOption(
      env(
        new Option(
          '--trusted-proxy <address>',
          'proxy whose X-Forwarded-For counts, IP address or network; may be repeated',
        ),
      )
        .default([], 'none')
        .argParser(parseProxies),
    )
    .addOption(
      env(new Option('--start-delay <duration>', 'hold notifications after the start'))
        .default(0, '0s')
        .argParser(durationFlag),
    )
    .addOption(
      env(
        new Option(
          '--late-after <duration>',
          'count older readings, do not judge them; 0s: judge all',
        ),
      )
        .default(0, '0s')
        .argParser(durationFlag),
    )
    .addOption(toggle(new Option('--classic-names', 'only classic label names')))
    .addOption(
      env(
        new Option('--external-url <url>', 'how notifications link here').argParser(
          parseExternalUrl,
        ),
      ),
    )
    .addOption(
      env(
        new Option('--log-level <level>', 'least level to log').choices(LOG_LEVELS).default('info'),
      ),
    )
    .addOption(
      env(new Option('--join <addresses>', 'peer addresses of members, HOST:PORT[,HOST:PORT]'))
        .default([], 'none: a node without data begins a cluster')
        .argParser(parseJoin),
    )
    .addOption(env(new Option('--etcd <urls>', 'find the members through etcd, URL[,URL]')))
    .addOption(
      env(new Option('--cluster <name>', 'name of the cluster in etcd and Graphite'))
        .default('tocsin')
        .argParser(notEmpty),
    )
    .addOption(toggle(new Option('--standalone', 'the majority is lost for good: go on alone')))
    .addOption(toggle(new Option('--shadow', 'decide everything and notify nobody')))
    .addOption(
      env(
        new Option('--advertise <host>', 'host at which others reach this node').argParser(
          parseHost,
        ),
      ),
    )
    .addOption(env(new Option('--peer-cert <file>', 'certificate of this node for its peers')))
    .addOption(env(new Option('--peer-key <file>', 'key of that certificate')))
    .addOption(env(new Option('--peer-ca <file>', 'CA of the certificates of all members')))
    .addOption(
      env(
        new Option('--cluster-secret-file <file>', 'secret that the members of a cluster share'),
      ).argParser(notEmpty),
    )
    .addOption(
      toggle(
        new Option('--peer-insecure', 'let in peers that prove nothing: see docs/security.md'),
      ),
    )
    .addOption(
      env(new Option('--graphite <host:port>', 'push the metrics there as carbon lines')).argParser(
        parseAddress,
      ),
    )
    .addOption(
      env(new Option('--graphite-prefix <path>', 'their first nodes in Graphite')).default(
        'tocsin',
      ),
    )
    .addHelpText('after', HELP);
  return command.action(async (flags: Flags) => finish(await start(flags)));
}

const HELP = `
Every flag has an environment variable: --data-dir is TOCSIN_DATA_DIR. An empty variable is not set.
Port 0 takes a free port.
When ready, one JSON line with "msg":"listening" on stderr names the addresses.
A node alone on an empty data directory begins a cluster; others --join it. The same command line
starts a node again: data that exist are never begun anew.
A --shadow takes the same input as another cluster, and every page ends as withheld;
tocsin replay --against compares what both decided. A cluster has only shadows or none.
SIGHUP reloads the configuration, the web configuration and the secret. SIGUSR2 says that the wall clock is right, after
somebody has set it: the node does not wait for half a minute. SIGTERM stops in order, a second one at once.

Examples:
  tocsin start --config tocsin.yml --data-dir /var/lib/tocsin
  tocsin start --config alertmanager.yml --http 0.0.0.0:9093 --carbon 0.0.0.0:2003
  tocsin start --config tocsin.yml --data-dir b --name b --peer :9094 --cluster-secret-file secret \\
    --join a.example.com:9094`;

async function start(flags: Flags): Promise<ExitCode> {
  const peerTls = peerTlsOf(flags);
  if (typeof peerTls === 'string') {
    process.stderr.write(`error: ${peerTls}\n`);
    return EXIT.usage;
  }
  const { clusterSecretFile = null, peer, peerInsecure } = flags;
  const open = problemOfPeerPort({ clusterSecretFile, peer, peerInsecure, peerTls });
  if (open !== null) {
    process.stderr.write(`error: ${open}\n`);
    return EXIT.usage;
  }
  // Before the daemon is loaded, which takes a while: a signal in that time must not be lost.
  const stop = new AbortController();
  const reload = new EventTarget();
  process.on('SIGHUP', () => reload.dispatchEvent(new Event('reload')));
  process.on('SIGUSR2', () => reload.dispatchEvent(new Event('clock')));
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    const before = process.listeners(signal);
    process.on(signal, () => {
      if (stop.signal.aborted) process.exit(EXIT.ok);
      stop.abort();
    });
    // In this order: Node forgets a signal that waits for a listener when the last one is removed.
    for (const listener of before) process.off(signal, listener);
  }
  const { runDaemon } = await import('../daemon/daemon.ts');
  return runDaemon({ ...optionsOf(flags), peerTls }, { stop: stop.signal, reload });
}

/** The three files belong together; a text says which one is missing. */
function peerTlsOf({ peerCa, peerCert, peerKey }: Flags): DaemonOptions['peerTls'] | string {
  if (peerCert !== undefined && peerKey !== undefined && peerCa !== undefined) {
    return { certificate: peerCert, key: peerKey, ca: peerCa };
  }
  if (peerCert === undefined && peerKey === undefined && peerCa === undefined) return null;
  const missing = [
    ...(peerCert === undefined ? ['--peer-cert'] : []),
    ...(peerKey === undefined ? ['--peer-key'] : []),
    ...(peerCa === undefined ? ['--peer-ca'] : []),
  ];
  return `TLS between members needs ${missing.join(' and ')}, too`;
}

function optionsOf(flags: Flags): Omit<DaemonOptions, 'peerTls'> {
  return {
    configFile: flags.config,
    dataDirectory: flags.dataDir,
    name: flags.name,
    http: flags.http,
    peer: flags.peer,
    carbon: flags.carbon,
    httpPrefix: flags.httpPrefix,
    webConfig: flags.webConfig ?? null,
    allowedHosts: flags.allowedHost,
    corsOrigins: flags.corsOrigin,
    trustedProxies: flags.trustedProxy,
    classicNames: flags.classicNames,
    externalUrl: flags.externalUrl ?? null,
    startDelayMs: flags.startDelay,
    lateAfterMs: flags.lateAfter,
    retentionMs: flags.retention.ms,
    retentionBytes: flags.retention.bytes,
    logLevel: flags.logLevel,
    join: flags.join,
    etcd: flags.etcd ?? null,
    cluster: flags.cluster,
    standalone: flags.standalone,
    shadow: flags.shadow,
    clusterSecretFile: flags.clusterSecretFile ?? null,
    peerInsecure: flags.peerInsecure,
    advertise: flags.advertise ?? null,
    graphite: flags.graphite ?? null,
    graphitePrefix: flags.graphitePrefix,
  };
}

function address(flag: string, what: string, fallback: string): Option {
  return env(new Option(`${flag} <host:port>`, what))
    .default(parseAddress(fallback), fallback)
    .argParser(parseAddress);
}

/** `HOST:PORT`, `[::1]:PORT` or `:PORT`, which listens on all addresses as Go programs do. */
function parseAddress(text: string): HostPort {
  const match = /^(?:\[([^\]]+)\]|([^:]*)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  const host = (match?.[1] ?? match?.[2]) || '0.0.0.0';
  if (match === null || port > 65_535 || !isHost(host)) {
    throw new InvalidArgumentError('write HOST:PORT, for example 127.0.0.1:9093.');
  }
  return { host, port };
}

/** No host has the signs of a variable that nobody filled in, such as `${HOST}`. */
function isHost(text: string): boolean {
  return isIPv6(text) || /^[\p{L}\p{N}_.-]+$/u.test(text);
}

function parseHost(text: string): string {
  if (isHost(text)) return text;
  throw new InvalidArgumentError('write a host name or an IP address, without a port.');
}

/** A list of HOST:PORT; an empty text is an empty list. */
function parseJoin(text: string): readonly string[] {
  const addresses = partsOf(text);
  const wrong = addresses.find((address) => !isMemberAddress(address));
  if (wrong === undefined) return addresses;
  throw new InvalidArgumentError(
    `${wrong} is no address of a member. Write HOST:PORT, as --peer of that member has it: 10.0.0.7:9094.`,
  );
}

/** As the transport reads it, which would try for ever what it cannot read. */
function isMemberAddress(text: string): boolean {
  const [, v6, host, port] = /^(?:\[(.+)\]|([\w.-]+)):([1-9]\d{0,4})$/.exec(text) ?? [];
  return Number(port) <= 65_535 && (host !== undefined || isIPv6(v6 ?? ''));
}

function parseHostNames(text: string): readonly string[] {
  const names = partsOf(text);
  const wrong = names.find((name) => !/^[\w-]+(?:\.[\w-]+)*$/.test(name));
  if (wrong === undefined) return names.map((name) => name.toLowerCase());
  throw new InvalidArgumentError(`${wrong} is no name. Write alerts.example.com, without a port.`);
}

function parseOrigins(text: string): readonly string[] {
  const all = partsOf(text);
  const wrong = all.find((each) => !/^https?:/.test(each) || !isOrigin(each));
  if (wrong === undefined) return all;
  throw new InvalidArgumentError(`${wrong} is no origin. Write https://karma.example.com.`);
}

/** Adds to those that the flag has named before. */
function parseProxies(
  text: string,
  before: DaemonOptions['trustedProxies'],
): DaemonOptions['trustedProxies'] {
  const networks = partsOf(text).map((each) => {
    const network = parseNetwork(each);
    if (network !== null) return network;
    throw new InvalidArgumentError(
      `${each} is neither an IP address nor a network. Write 10.0.0.7 or 10.0.0.0/24.`,
    );
  });
  return [...before, ...networks];
}

function isOrigin(text: string): boolean {
  return URL.canParse(text) && new URL(text).origin === text;
}

function partsOf(text: string): readonly string[] {
  const parts = text.split(',').map((part) => part.trim());
  return parts.filter((part) => part !== '');
}

/** An unset variable of a shell must not become a path or a name. */
function notEmpty(text: string): string {
  if (text.trim() === '') throw new InvalidArgumentError('it may not be empty.');
  return text;
}

function durationFlag(text: string): number {
  const parsed = parseDuration(text);
  if (!parsed.ok) throw new InvalidArgumentError(`${parsed.message}. Write 5s, 10m or 14d.`);
  return parsed.value;
}

function parseExternalUrl(text: string): string {
  const parsed = parseHttpUrl(text);
  if (parsed.ok) return text;
  throw new InvalidArgumentError(`it ${parsed.message}. Write http://host:9093/path.`);
}

function parsePrefix(text: string): string {
  const prefix = text.replace(/\/+$/, '');
  if (prefix !== '' && !/^(?:\/[\w.~-]+)+$/.test(prefix)) {
    throw new InvalidArgumentError('write a path such as /alerts.');
  }
  return prefix;
}

const SIZES: Readonly<Record<string, number>> = { MB: 1e6, GB: 1e9, TB: 1e12 };

function parseRetention(text: string): Retention {
  let retention: Retention = DEFAULT_RETENTION;
  for (const part of text.split(',')) {
    const size = /^(\d+(?:\.\d+)?)(MB|GB|TB)$/.exec(part.trim());
    retention =
      size === null
        ? { ...retention, ms: durationFlag(part.trim()) }
        : { ...retention, bytes: Number(size[1]) * (SIZES[size[2] ?? ''] ?? 1) };
  }
  return retention;
}
