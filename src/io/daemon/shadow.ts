/** Keeps a shadow and the clusters that notify people apart. */

import { isShadowCluster } from '../node/cluster-id.ts';
import type { DaemonOptions } from './options.ts';
import { StartupError } from './startup-error.ts';

/**
 * Shadows and nodes that notify people are never members of one cluster. Throws a
 * {@link StartupError} when `--shadow` does not fit the cluster.
 */
export function checkShadow(
  clusterId: string,
  { dataDirectory, shadow }: Pick<DaemonOptions, 'dataDirectory' | 'shadow'>,
): void {
  if (isShadowCluster(clusterId) === shadow) return;
  const problem = shadow
    ? `cluster ${clusterId} notifies people, and --shadow was given: start it without --shadow, or ` +
      'give the shadow a --data-dir and a --cluster of its own'
    : `cluster ${clusterId} is a shadow, which notifies nobody: start it with --shadow, or give the ` +
      'node another --data-dir and --cluster';
  throw new StartupError(`${dataDirectory}: ${problem}.`);
}
