/**
 * The daemon: builds a node out of ports and adapters, runs it until it is told to stop.
 *
 * Promise: what is started is stopped in the opposite order, whatever happened in between; it
 * listens without waiting for a quorum; a disk that fails ends the process with a code of its own
 * and acknowledges nothing more. It knows no signal: `cli` turns those into `stop` and `reload`.
 */

import { hostname } from 'node:os';
import path from 'node:path';
import { actorOf, type Actor } from '../../commands/actor.ts';
import type { ApplyConfig } from '../../commands/config.ts';
import { alertmanagerConfig } from '../config/alertmanager-text.ts';
import { parseMatcher, parseMatchers } from '../config/matcher-text.ts';
import { redactSecrets } from '../config/redact.ts';
import type { EtcdDiscovery } from '../discovery/etcd-discovery.ts';
import { backupOf } from '../disk/backup-format.ts';
import { clientTime, type Reloaded } from '../http/modules.ts';
import { CLOSING_REASONS, REFUSAL_REASONS, REFUSING_LIMITS } from '../http/limits.ts';
import { createHttpServer } from '../http/server.ts';
import { createMetrics, type Metrics } from '../metrics/metrics.ts';
import { listenCarbon } from '../monitors/carbon.ts';
import { IngestCounters } from '../monitors/ingest-counters.ts';
import { lateness } from '../monitors/point-time.ts';
import { normalSeriesName } from '../monitors/series-name.ts';
import { addressText, parseAddress, reachableAt } from '../net/addresses.ts';
import type { TcpTransport } from '../net/transport.ts';
import { Node } from '../node/node.ts';
import { segmentBytesMaxFor } from '../node/retention.ts';
import { emptyClusterId } from '../node/cluster-id.ts';
import { createNotifiers, type Notifiers } from '../notify/notifiers.ts';
import type { JoinRequest, Logger, NodeHandle, PeerAddress } from '../ports.ts';
import { createStatusPage } from '../ui/page.ts';
import { Cleanups } from './cleanups.ts';
import {
  asReadBy,
  configHash,
  isApplied,
  readConfiguration,
  type ConfigurationOptions,
} from './configuration.ts';
import { Descriptors } from './descriptors.ts';
import { ClusterJoiner } from './cluster-joiner.ts';
import { openDiscovery } from './discovery.ts';
import { EXIT, type ExitCode } from './exit.ts';
import { warnOfFailedAttempts } from './failed-attempts.ts';
import { addressTaken, diskStartupError, exitOf, listenError, logFailure } from './failure.ts';
import { startGraphite } from './graphite.ts';
import { localTimeIn } from './local-time.ts';
import { runMonitors } from './monitoring.ts';
import { NodeProxy } from './node-proxy.ts';
import { checkShadow } from './shadow.ts';
import { StartupError } from './startup-error.ts';
import type { DaemonOptions, DaemonSignals } from './options.ts';
import { senderClock } from './sender-clock.ts';
import { forceNewCluster } from './standalone.ts';
import { openStorage, type Storage } from './storage.ts';
import { bindPeerPort } from './bind-peer-port.ts';
import type { SecretFile } from './secret-file.ts';
import { VERSION } from './version.ts';
import { exposure, WebAccess } from './web-access.ts';
import { realClock, realRandom, stderrLogger, SYSTEM_PORTS } from './system-ports.ts';

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
    const refusal = diskStartupError(error, options.dataDirectory);
    if (refusal === null) throw error;
    process.stderr.write(`error: ${refusal.message}\n`);
    return refusal.exit;
  } finally {
    await cleanups.run();
  }
}

class Daemon {
  readonly #options: DaemonOptions;
  readonly #configuration: ConfigurationOptions;
  readonly #logger: Logger;
  readonly #cleanups: Cleanups;
  readonly #addresses = { http: '', peer: '', carbon: '' };
  readonly #notifiers: Notifiers;
  readonly #ledger: IngestCounters;
  readonly #metrics: Metrics;
  readonly #descriptors = new Descriptors(realClock);
  /** What the file said when it was last applied by a reload. */
  #fileCommand: ApplyConfig | null = null;
  #secretFile: SecretFile | null = null;
  #fail: (error: Error) => void = () => undefined;
  #node: Node | null = null;
  #monitors: ReturnType<typeof runMonitors> | null = null;
  #web: WebAccess | null = null;
  /** Ends what waits for others. */
  readonly #ending = new AbortController();

  constructor(options: DaemonOptions, logger: Logger, cleanups: Cleanups) {
    this.#options = options;
    this.#logger = logger;
    this.#cleanups = cleanups;
    this.#configuration = {
      file: options.configFile,
      externalUrl: options.externalUrl,
      classicNames: options.classicNames,
    };
    this.#notifiers = createNotifiers(
      { version: VERSION, isShadow: options.shadow },
      { clock: realClock },
    );
    this.#ledger = new IngestCounters({ clock: realClock, logger });
    this.#metrics = createMetrics({
      version: VERSION,
      revision: '',
      integrations: [...this.#notifiers.byType.keys()],
      dropReasons: [...Object.keys(this.#ledger.dropped), 'refused'],
      limits: REFUSING_LIMITS,
      connectionReasons: { refused: REFUSAL_REASONS, closed: CLOSING_REASONS },
    });
    cleanups.add('metrics', () => this.#metrics.close());
    cleanups.add('descriptors', () => this.#descriptors.stop());
  }

  async run({ stop, reload }: DaemonSignals): Promise<ExitCode> {
    const ended = new Promise<ExitCode>((resolve) => {
      stop.addEventListener('abort', () => resolve(EXIT.ok));
      if (stop.aborted) resolve(EXIT.ok);
      this.#fail = (error) => {
        logFailure(error, this.#logger);
        resolve(exitOf(error));
      };
    });
    // Before anything else, so that a typing error touches no data.
    const config = await this.#readConfiguration();
    const { webConfig } = this.#options;
    if (webConfig !== null) {
      this.#web = await WebAccess.open(webConfig, { clock: realClock, logger: this.#logger });
    }
    const discovery = await openDiscovery(this.#options, {
      clock: realClock,
      logger: this.#logger,
      cleanups: this.#cleanups,
    });
    const storage = await this.#openStorage();
    if (storage.clusterId !== null) checkShadow(storage.clusterId, this.#options);
    if (this.#options.shadow)
      this.#logger.warn('shadow: it decides everything and notifies nobody');
    const transport = await this.#bindPeer(storage);
    const joiner = this.#joinerOf(storage, transport, discovery);
    let aloneFrom: string | null = null;
    if (this.#options.standalone || storage.isRecovering) {
      const modules = { logger: this.#logger, clock: realClock };
      aloneFrom = await forceNewCluster(storage, joiner, modules);
    } else {
      await storage.file.change({ isStandalone: false });
    }
    const slot = new NodeProxy({
      name: this.#options.name,
      nodeId: storage.file.facts.nodeId,
      shadow: this.#options.shadow,
      startedAt: realClock.now(),
      now: () => realClock.now(),
      addresses: () => this.#advertised(),
    });
    this.#cleanups.add('notifiers', () => this.#notifiers.close());
    this.#cleanups.add('node', async () => {
      this.#ending.abort(new Error('the daemon stops'));
      await this.#node?.stop();
    });
    await this.#startInputs(slot);
    reload.addEventListener('reload', () => {
      void this.#reload(slot, actorOf('signal', 'SIGHUP'));
    });
    reload.addEventListener('clock', () => void slot.acceptClock(actorOf('signal', 'SIGUSR2')));
    reload.addEventListener('reload', () => void this.#secretFile?.look());
    const startNode = async (clusterId: string): Promise<Node> => {
      const node = await this.#startNode(clusterId, { config, storage, transport });
      slot.fill(node);
      if (aloneFrom !== null) void this.#recordAlone(node, aloneFrom);
      this.#keepFindable(node, joiner, clusterId);
      return node;
    };
    if (storage.clusterId !== null) {
      await this.#untilListening(await startNode(storage.clusterId), storage, ended);
    } else if (joiner.isAlone) {
      const clusterId = await this.#joinOrCreateCluster(storage, joiner);
      await this.#untilListening(await startNode(clusterId), storage, ended);
    } else {
      // Its cluster may be minutes away: it listens, and says that it is not ready.
      this.#joinOrCreateCluster(storage, joiner)
        .then((clusterId) => {
          // A stop may have come meanwhile, and then nothing is opened that nobody closes.
          this.#ending.signal.throwIfAborted();
          return startNode(clusterId);
        })
        .catch((error: Error) => {
          if (!this.#ending.signal.aborted) this.#fail(error);
        });
    }
    this.#metrics.configReloaded(true, realClock.now());
    this.#logger.info('listening', { ...this.#addresses, version: VERSION });
    return ended;
  }

  /** `--standalone` was given to the process, and nobody else has proven anything. */
  async #recordAlone(node: Node, clusterId: string): Promise<void> {
    await node.whenLeading();
    const actor = actorOf('node', this.#options.name);
    node.record({ action: 'forceNewCluster', subject: clusterId, detail: '', actor });
  }

  async #readConfiguration(): Promise<ApplyConfig> {
    const config = await readConfiguration(this.#configuration);
    if (!config.ok) throw new StartupError(config.message);
    for (const warning of config.warnings) this.#logger.warn('configuration', { warning });
    return config.command;
  }

  async #openStorage(): Promise<Storage> {
    const { dataDirectory } = this.#options;
    const opened = await openStorage(dataDirectory, { ...SYSTEM_PORTS, logger: this.#logger });
    if (!opened.ok) throw new StartupError(opened.message, opened.exit);
    const { storage } = opened;
    this.#cleanups.add('storage', () => storage.close());
    return storage;
  }

  async #bindPeer({ file }: Storage): Promise<TcpTransport> {
    const { transport, secretFile } = await bindPeerPort(this.#options, file.facts, {
      ...SYSTEM_PORTS,
      logger: this.#logger,
      cleanups: this.#cleanups,
    });
    this.#addresses.peer = transport.address;
    this.#secretFile = secretFile;
    return transport;
  }

  /** Others that this node can ask, and how they may answer. */
  #joinerOf(
    storage: Storage,
    transport: TcpTransport,
    discovery: EtcdDiscovery | null,
  ): ClusterJoiner {
    const { advertise, join, name, shadow } = this.#options;
    const { nodeId, others } = storage.file.facts;
    const self = (): JoinRequest => {
      // An address of all interfaces stays one: who is asked sees from where it was.
      const { http, peer } = advertise === null ? this.#addresses : this.#advertised();
      const clusterId = storage.clusterId ?? emptyClusterId(shadow);
      return { nodeId, name, peerAddress: peer, httpAddress: http, clusterId };
    };
    return new ClusterJoiner(
      { join, remembered: others.map(({ address }) => address), self, isShadow: shadow },
      { clock: realClock, random: realRandom, logger: this.#logger, transport, discovery },
    );
  }

  /** Waits until a node without data knows its cluster, and remembers whether it begins it. */
  async #joinOrCreateCluster(storage: Storage, joiner: ClusterJoiner): Promise<string> {
    const { clusterId, founds } = await joiner.find(this.#ending.signal);
    checkShadow(clusterId, this.#options);
    await storage.file.change({ founds });
    this.#logger.info(founds ? 'new cluster' : 'let into the cluster', { clusterId });
    return clusterId;
  }

  async #startNode(clusterId: string, parts: NodeParts): Promise<Node> {
    const { config, storage, transport } = parts;
    const opened = await storage.openData(
      clusterId,
      segmentBytesMaxFor(this.#options.retentionBytes),
    );
    if (!opened.ok) throw new StartupError(opened.message, opened.exit);
    const { log, snapshot, start } = opened.data;
    this.#logger.info('data opened', {
      ...log.identity,
      lastIndex: log.lastIndex,
      snapshotIndex: snapshot.index,
    });
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
        addresses: () => this.#advertised(),
        externalUrl: () => {
          const scheme = (this.#web?.settings.tls ?? null) === null ? 'http' : 'https';
          return `${scheme}://${this.#advertised().http}${this.#options.httpPrefix}`;
        },
        version: VERSION,
        incarnation: storage.file.facts.starts,
        configuration: {
          hash: () => configHash(this.#fileCommand ?? config),
          commandFor: (state) => {
            const said = asReadBy(this.#fileCommand ?? config, state);
            return isApplied(said, state) ? null : said;
          },
        },
      },
      {
        clock: realClock,
        random: realRandom,
        logger: this.#logger,
        log,
        snapshots: storage.snapshots,
        transport,
        notifiers: this.#notifiers.byType,
        localTimeIn,
        vitals: {
          syncMs: () => storage.syncTimes.recentMs(),
          descriptorsFree: () => this.#descriptors.free(),
        },
        observer: {
          transferring: (reason) => this.#metrics.transferring(reason),
          appended: (seconds) => this.#metrics.appended(seconds),
          snapshotTaken: (written) => this.#metrics.snapshotTaken(written),
          applied: (entry) => {
            this.#metrics.applied(entry);
            if (node.isServing()) warnOfFailedAttempts(entry, this.#logger);
          },
          membersChanged: (others) => this.#remember(storage, others),
        },
        onFailure: (error) => this.#fail(error),
      },
      start,
      snapshot,
    );
    this.#node = node;
    transport.enterCluster(clusterId);
    node.start();
    return node;
  }

  /** Who the others are must be known on the day when the log is damaged. */
  #remember({ file }: Storage, others: readonly PeerAddress[]): void {
    file.remember(others).catch((error: unknown) => {
      this.#logger.warn('node.json not written', { error: String(error) });
    });
  }

  /** Has the others find this node, and this node the others, wherever they are. */
  #keepFindable(node: Node, joiner: ClusterJoiner, clusterId: string): void {
    const { signal } = this.#ending;
    const advertised = this.#advertised();
    joiner.announce(node, advertised);
    for (const search of [joiner.register(clusterId, signal), joiner.rejoin(node, signal)]) {
      search.catch((error: unknown) => {
        if (error instanceof StartupError) this.#fail(error);
        else if (!signal.aborted) this.#logger.error('search failed', { error: String(error) });
      });
    }
  }

  /** A cluster of one waits for nobody: it says that it listens once its own log is folded. */
  async #untilListening(node: Node, { file }: Storage, ended: Promise<unknown>): Promise<void> {
    const { members, role } = node.status();
    // A newcomer that was killed before it learned anything has no member in its log, nor a vote.
    if (file.facts.others.length > 0 || members.length > 1 || role === 'learner') return;
    await Promise.race([node.whenLeading(), ended]);
  }

  /** Binds all addresses; inputs stop before the node does. */
  async #startInputs(node: NodeProxy): Promise<void> {
    await this.#bindHttp(node);
    await this.#bindCarbon(node);
    this.#metrics.watch(node);
    this.#metrics.watchDrops(() => this.#ledger.dropped);
    startGraphite(this.#options, {
      clock: realClock,
      logger: this.#logger,
      metrics: this.#metrics,
      cleanups: this.#cleanups,
    });
    const monitors = runMonitors(node, {
      version: VERSION,
      lateAfterMs: this.#options.lateAfterMs,
      carbon: this.#addresses.carbon,
      ledger: this.#ledger,
      logger: this.#logger,
    });
    this.#monitors = monitors;
    this.#metrics.watchMonitors(() => monitors.reports());
    this.#cleanups.add('monitors', () => monitors.stop());
  }

  /** Where others reach this node: an address of all interfaces leads nowhere from elsewhere. */
  #advertised(): { readonly http: string; readonly peer: string } {
    const { advertise } = this.#options;
    const reached = (address: string): string => {
      if (advertise === null) return reachableAt(address, hostname());
      return addressText({ host: advertise, port: parseAddress(address)?.port ?? 0 });
    };
    return { http: reached(this.#addresses.http), peer: reached(this.#addresses.peer) };
  }

  async #bindHttp(node: NodeHandle): Promise<void> {
    const { http, httpPrefix, classicNames, lateAfterMs } = this.#options;
    const server = await createHttpServer(
      {
        ...http,
        prefix: httpPrefix,
        externalUrl: this.#options.externalUrl,
        allowedHosts: this.#hostNames(),
        corsOrigins: this.#options.corsOrigins,
        trustedProxies: this.#options.trustedProxies,
        ...(this.#web === null ? {} : { web: this.#web.settings }),
        classicNames,
        dataDirectory: path.resolve(this.#options.dataDirectory),
        version: VERSION,
        revision: '',
      },
      {
        node,
        clock: realClock,
        random: realRandom,
        logger: this.#logger,
        localTimeIn,
        parseMatchers: (text) => parseMatchers(text, classicNames),
        parseMatcher: (text) => parseMatcher(text, classicNames),
        normalSeriesName,
        lateness: (time) => lateness(time, { nowMs: clientTime(node), limitMs: lateAfterMs }),
        monitors: () => this.#monitors?.reports() ?? [],
        backup: backupOf,
        redactConfig: redactSecrets,
        alertmanagerConfig,
        reload: (actor) => this.#reload(node, actor),
        page: createStatusPage({ version: VERSION, localTimeIn }),
        metrics: this.#metrics,
        counters: this.#metrics,
      },
    ).catch(listenError('--http', http));
    this.#cleanups.add('http', () => server.close());
    this.#addresses.http = server.address;
    for (const warning of exposure(http.host, this.#web?.settings ?? null)) {
      this.#logger.warn('HTTP is open to the network', { address: server.address, warning });
    }
    const web = this.#web;
    if (web === null) return;
    this.#cleanups.add('web configuration', () => web.close());
    await web.follow((settings) => server.use(settings));
  }

  /** What people call this machine, without the port. */
  #hostNames(): readonly string[] {
    const { advertise, allowedHosts } = this.#options;
    const names = [hostname(), ...(advertise === null ? [] : [advertise]), ...allowedHosts];
    return names.map((name) => name.toLowerCase());
  }

  async #bindCarbon(node: NodeHandle): Promise<void> {
    const { carbon, lateAfterMs } = this.#options;
    const modules = {
      clock: senderClock(node, realClock),
      intake: node,
      ledger: this.#ledger,
      logger: this.#logger,
    };
    const started = await listenCarbon({ ...carbon, lateAfterMs }, modules);
    if (!started.ok) throw new StartupError(addressTaken('--carbon', carbon, started.message));
    this.#cleanups.add('carbon', () => started.listener.stop());
    this.#addresses.carbon = started.listener.address;
  }

  /** Reads the file again and appends it; timers start anew even when nothing changed. */
  async #reload(node: NodeHandle, actor: Actor): Promise<Reloaded> {
    const web = (await this.#web?.reload()) ?? { ok: true };
    const config = await readConfiguration(this.#configuration);
    const result = config.ok
      ? await node.propose([{ ...asReadBy(config.command, node.view().state), actor }])
      : config;
    this.#metrics.configReloaded(result.ok, realClock.now());
    if (result.ok && config.ok) {
      this.#fileCommand = config.command;
      this.#logger.info('configuration applied', { file: this.#configuration.file });
      return web;
    }
    const message = result.ok ? '' : result.message;
    this.#logger.error('configuration refused: the running one stays', { problems: message });
    return { ok: false, message };
  }
}

interface NodeParts {
  readonly config: ApplyConfig;
  readonly storage: Storage;
  readonly transport: TcpTransport;
}
