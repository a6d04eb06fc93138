/**
 * The daemon: builds a node out of ports and adapters, runs it until it is told to stop.
 *
 * Promise: what is started is stopped in the opposite order, whatever happened in between; it
 * listens without waiting for a leader; a disk that fails ends the process with a code of its own
 * and acknowledges nothing more. It knows no signal: `cli` turns those into `stop` and `reload`.
 */

import { asyncScheduler } from 'rxjs';
import type { ApplyConfig } from '../../commands/config.ts';
import type { AppliedConfig, State } from '../../projections/state.ts';
import { parseMatchers } from '../config/matcher-text.ts';
import { redactSecrets } from '../config/redact.ts';
import { SnapshotWriteFailed } from '../disk/snapshot-store.ts';
import { LogFailed } from '../../log/damage.ts';
import type { Reloaded } from '../http/modules.ts';
import { createHttpServer } from '../http/server.ts';
import { createMetrics, type Metrics } from '../metrics/metrics.ts';
import { listenCarbon } from '../monitors/carbon.ts';
import { IntakeLedger } from '../monitors/intake-ledger.ts';
import { Monitors } from '../monitors/monitors.ts';
import { normalSeriesName } from '../monitors/series-name.ts';
import { Node } from '../node/node.ts';
import { createNotifiers, type Notifiers } from '../notify/registry.ts';
import type { AppliedEntry, Logger, Transport } from '../ports.ts';
import { createStatusPage } from '../ui/page.ts';
import { Cleanups } from './cleanups.ts';
import { configHash, isApplied, readConfiguration, type ConfigurationOptions } from './configuration.ts';
import { EXIT, type ExitCode } from './exit.ts';
import { localTimeIn } from './local-time.ts';
import { holdPeerPort } from './peer-port.ts';
import { openStorage, type Storage } from './storage.ts';
import { VERSION } from './version.ts';
import { realClock, realRandom, stderrLogger, type LogLevel } from './world.ts';

export interface HostPort {
  readonly host: string;
  /** 0 takes a free port. */
  readonly port: number;
}

export interface DaemonOptions {
  readonly configFile: string;
  readonly dataDirectory: string;
  readonly name: string;
  readonly http: HostPort;
  readonly peer: HostPort;
  readonly carbon: HostPort;
  /** Path under which HTTP is served, without a slash at its end; empty for none. */
  readonly httpPrefix: string;
  readonly classicNames: boolean;
  /** How notifications link here; null uses the HTTP address. */
  readonly externalUrl: string | null;
  readonly startDelayMs: number;
  readonly retentionMs: number;
  readonly retentionBytes: number;
  readonly logLevel: LogLevel;
}

export interface DaemonSignals {
  /** Aborted once the daemon shall stop. */
  readonly stop: AbortSignal;
  /** Fires `reload` when the configuration file shall be read again. */
  readonly reload: EventTarget;
}

/** A tenth of the shortest time in which a leader is missed. */
const TICK_MS = 100;
/** After so many entries, or so long, a snapshot is taken: it bounds what a restart must fold. */
const SNAPSHOT_ENTRIES = 20_000;
const SNAPSHOT_MS = 60_000;

/** Runs a node until it is stopped or fails; the result is the exit code. */
export async function runDaemon(options: DaemonOptions, signals: DaemonSignals): Promise<ExitCode> {
  const logger = stderrLogger(options.logLevel, options.name);
  const cleanups = new Cleanups(logger);
  try {
    return await new Daemon(options, logger, cleanups).run(signals);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    process.stderr.write(`error: ${error.message}\n`);
    return error.exit;
  } finally {
    await cleanups.run();
  }
}

/** A reason not to start, in words for the person who started it. */
class Refusal extends Error {
  readonly exit: ExitCode;

  constructor(message: string, exit: ExitCode = EXIT.refused) {
    super(message);
    this.exit = exit;
  }
}

class Daemon {
  readonly #options: DaemonOptions;
  readonly #configuration: ConfigurationOptions;
  readonly #logger: Logger;
  readonly #cleanups: Cleanups;
  readonly #addresses = { http: '', peer: '', carbon: '' };
  readonly #notifiers: Notifiers;
  readonly #ledger: IntakeLedger;
  readonly #metrics: Metrics;
  /** What the file said when it was last applied by a reload. */
  #fileCommand: ApplyConfig | null = null;
  #fail: (error: Error) => void = () => undefined;

  constructor(options: DaemonOptions, logger: Logger, cleanups: Cleanups) {
    this.#options = options;
    this.#logger = logger;
    this.#cleanups = cleanups;
    this.#configuration = {
      file: options.configFile,
      externalUrl: options.externalUrl,
      classicNames: options.classicNames,
    };
    this.#notifiers = createNotifiers({ version: VERSION }, { clock: realClock });
    this.#ledger = new IntakeLedger({ clock: realClock, logger });
    this.#metrics = createMetrics({
      version: VERSION,
      revision: '',
      integrations: [...this.#notifiers.byType.keys()],
      dropReasons: [...Object.keys(this.#ledger.dropped), 'refused', 'not-committed'],
    });
    cleanups.add('metrics', () => this.#metrics.close());
  }

  async run({ stop, reload }: DaemonSignals): Promise<ExitCode> {
    const ended = new Promise<ExitCode>((resolve) => {
      stop.addEventListener('abort', () => resolve(EXIT.ok));
      this.#fail = (error) => {
        this.#logger.error('failed', { error: error.stack ?? error.message });
        resolve(isDiskFault(error) ? EXIT.disk : EXIT.fault);
      };
    });
    const node = await this.#startNode();
    await this.#startInputs(node);
    reload.addEventListener('reload', () => void this.#reload(node));
    // A cluster of one waits for nobody: it says that it listens once its own log is folded.
    await Promise.race([node.whenLeading(), ended]);
    this.#metrics.configReloaded(true, realClock.now());
    this.#logger.info('listening', { ...this.#addresses, version: VERSION });
    return ended;
  }

  /** Reads the configuration before anything else, so that a typing error touches no data. */
  async #startNode(): Promise<Node> {
    const config = await readConfiguration(this.#configuration);
    if (!config.ok) throw new Refusal(config.message);
    for (const warning of config.warnings) this.#logger.warn('configuration', { warning });
    const storage = await this.#openStorage();
    this.#cleanups.add('notifiers', () => this.#notifiers.close());
    const { name, startDelayMs, retentionMs, retentionBytes } = this.#options;
    const node = new Node(
      {
        name,
        startDelayMs,
        retentionMs,
        retentionBytes,
        tickMs: TICK_MS,
        snapshotEntries: SNAPSHOT_ENTRIES,
        snapshotMs: SNAPSHOT_MS,
        addresses: () => this.#addresses,
        externalUrl: () => `http://${this.#addresses.http}${this.#options.httpPrefix}`,
        version: VERSION,
        // The wall clock rises between two starts, and one member alone is told apart by nothing else.
        incarnation: realClock.now(),
        configuration: {
          hash: () => configHash(this.#fileCommand ?? config.command),
          commandFor: (state) => (isApplied(config.command, state) ? null : config.command),
        },
      },
      {
        clock: realClock,
        random: realRandom,
        logger: this.#logger,
        log: storage.log,
        snapshots: storage.snapshots,
        transport: NO_PEERS,
        notifiers: this.#notifiers.byType,
        localTimeIn,
        observer: {
          appended: (seconds) => this.#metrics.appended(seconds),
          snapshotTaken: (written) => this.#metrics.snapshotTaken(written),
          applied: (entry) => {
            this.#metrics.applied(entry);
            this.#warnOfFailures(entry);
          },
        },
        onFailure: (error) => this.#fail(error),
      },
      storage.start,
      storage.snapshot,
    );
    return node;
  }

  /** A page that did not arrive must be seen in the log of the node, too. */
  #warnOfFailures({ transitions }: AppliedEntry): void {
    for (const transition of transitions) {
      if (transition.kind !== 'notification') continue;
      const { id, integration, group, status, result, detail } = transition;
      if (result === undefined || result === 'delivered') continue;
      this.#logger.warn('page not delivered', {
        notification: id,
        integration,
        group,
        status,
        detail,
      });
    }
  }

  async #openStorage(): Promise<Storage> {
    const { dataDirectory } = this.#options;
    const opened = await openStorage(dataDirectory, { logger: this.#logger, random: realRandom });
    if (!opened.ok) throw new Refusal(opened.message, opened.exit);
    const { storage } = opened;
    this.#cleanups.add('storage', () => storage.close());
    const { lastIndex, identity } = storage.log;
    this.#logger.info(storage.isNew ? 'new cluster' : 'data opened', {
      ...identity,
      lastIndex,
      snapshotIndex: storage.snapshot.index,
    });
    return storage;
  }

  /** Binds all addresses, then lets the node run; inputs stop before the node does. */
  async #startInputs(node: Node): Promise<void> {
    await this.#bindPeer();
    this.#cleanups.add('node', () => node.stop());
    await this.#bindHttp(node);
    await this.#bindCarbon(node);
    this.#metrics.watch(node, realClock);
    this.#metrics.watchDrops(() => this.#ledger.dropped);
    node.start();
    this.#runMonitors(node);
  }

  async #bindPeer(): Promise<void> {
    const { peer } = this.#options;
    const held = await holdPeerPort(peer, this.#logger).catch(refusalFor('--peer', peer));
    this.#cleanups.add('peer port', () => held.close());
    this.#addresses.peer = held.address;
  }

  async #bindHttp(node: Node): Promise<void> {
    const { http, httpPrefix, classicNames } = this.#options;
    const server = await createHttpServer(
      { ...http, prefix: httpPrefix, classicNames, version: VERSION, revision: '' },
      {
        node,
        clock: realClock,
        random: realRandom,
        logger: this.#logger,
        localTimeIn,
        parseMatchers: (text) => parseMatchers(text, classicNames),
        normalSeriesName,
        redactConfig: redactSecrets,
        reload: () => this.#reload(node),
        page: createStatusPage({ version: VERSION, localTimeIn }),
        metrics: this.#metrics,
        counters: this.#metrics,
      },
    ).catch(refusalFor('--http', http));
    this.#cleanups.add('http', () => server.close());
    this.#addresses.http = server.address;
  }

  async #bindCarbon(node: Node): Promise<void> {
    const { carbon } = this.#options;
    const modules = {
      clock: realClock,
      intake: node,
      ledger: this.#ledger,
      logger: this.#logger,
    };
    const started = await listenCarbon(carbon, modules);
    if (!started.ok) throw new Refusal(addressTaken('--carbon', carbon, started.message));
    this.#cleanups.add('carbon', () => started.listener.stop());
    this.#addresses.carbon = started.listener.address;
  }

  /** Runs the monitors of the live configuration, and of each one that is applied later. */
  #runMonitors(node: Node): void {
    const [, host = '', port = ''] = /^(.*):(\d+)$/.exec(this.#addresses.carbon) ?? [];
    const monitors = new Monitors(
      { version: VERSION, carbon: { host: reachable(host), port: Number(port) } },
      {
        clock: realClock,
        intake: node,
        ledger: this.#ledger,
        logger: this.#logger,
        random: realRandom,
        scheduler: asyncScheduler,
      },
    );
    let running: AppliedConfig | null = null;
    const follow = (state: State): void => {
      if (state.config === null || state.config === running) return;
      running = state.config;
      monitors.apply(running.command.config.monitors);
    };
    const unfollow = node.onApplied(({ state }) => {
      if (node.ready()) follow(state);
    });
    this.#cleanups.add('monitors', async () => {
      unfollow();
      await monitors.stop();
    });
  }

  /** Reads the file again and appends it; timers start anew even when nothing changed. */
  async #reload(node: Node): Promise<Reloaded> {
    const config = await readConfiguration(this.#configuration);
    const result = config.ok ? await node.propose([config.command]) : config;
    this.#metrics.configReloaded(result.ok, realClock.now());
    if (result.ok && config.ok) {
      this.#fileCommand = config.command;
      this.#logger.info('configuration applied', { file: this.#configuration.file });
      return { ok: true };
    }
    const message = result.ok ? '' : result.message;
    this.#logger.error('configuration refused: the running one stays', { problems: message });
    return { ok: false, message };
  }
}

/** A cluster of one writes to nobody. */
const NO_PEERS: Transport = {
  attach: () => undefined,
  send: () => undefined,
  setPeers: () => undefined,
};

function isDiskFault(error: Error): boolean {
  return error instanceof LogFailed || error instanceof SnapshotWriteFailed;
}

function refusalFor(flag: string, address: HostPort): (error: unknown) => never {
  return (error) => {
    throw new Refusal(addressTaken(flag, address, (error as Error).message));
  };
}

function addressTaken(flag: string, { host, port }: HostPort, reason: string): string {
  return `${flag} ${host}:${port} cannot be listened on: ${reason}. Give another one with ${flag}.`;
}

/** Where to send to what listens on all addresses. */
function reachable(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  return host === '[::]' ? '::1' : host.replace(/^\[|\]$/g, '');
}
