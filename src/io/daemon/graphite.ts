/** Starts the push of metrics to Graphite, where the command line asks for it. */

import { startGraphitePush, type GraphitePushModules } from '../metrics/graphite-push.ts';
import type { Cleanups } from './cleanups.ts';
import { EXIT } from './exit.ts';
import type { DaemonOptions } from './options.ts';
import { StartupError } from './startup-error.ts';

type GraphiteOptions = Pick<DaemonOptions, 'cluster' | 'graphite' | 'graphitePrefix' | 'name'>;

/** Throws a {@link StartupError} when the prefix or the names cannot be part of a metric's path. */
export function startGraphite(
  { cluster, graphite, graphitePrefix, name }: GraphiteOptions,
  { cleanups, ...modules }: GraphitePushModules & { readonly cleanups: Cleanups },
): void {
  if (graphite === null) return;
  const options = { ...graphite, prefix: graphitePrefix, cluster, node: name };
  const started = startGraphitePush(options, modules);
  if (!started.ok) throw new StartupError(started.message, EXIT.usage);
  cleanups.add('graphite', () => started.push.close());
}
