/** Opens the discovery that the command line names. */

import { openEtcdDiscovery, type EtcdDiscovery } from '../discovery/etcd-discovery.ts';
import type { Clock, Logger } from '../ports.ts';
import type { Cleanups } from './cleanups.ts';
import { EXIT } from './exit.ts';
import type { DaemonOptions } from './options.ts';
import { StartupError } from './startup-error.ts';

export interface DiscoveryModules {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly cleanups: Cleanups;
}

/** Null without `--etcd`. Rejects with a {@link StartupError} when its value cannot be used. */
export async function openDiscovery(
  { cluster, etcd }: Pick<DaemonOptions, 'cluster' | 'etcd'>,
  { clock, logger, cleanups }: DiscoveryModules,
): Promise<EtcdDiscovery | null> {
  if (etcd === null) return null;
  const opened = await openEtcdDiscovery({ urls: etcd, cluster }, { clock, logger });
  if (!opened.ok) throw new StartupError(opened.message, EXIT.usage);
  const { discovery } = opened;
  cleanups.add('discovery', () => discovery.close());
  return discovery;
}
