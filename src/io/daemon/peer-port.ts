/** What protects the peer port, and the warning for one that nothing protects. */

import { isLoopback } from '../net/addresses.ts';
import type { LogFields } from '../ports.ts';
import type { DaemonOptions } from './options.ts';

type PeerPort = Pick<DaemonOptions, 'clusterSecretFile' | 'peer' | 'peerInsecure' | 'peerTls'>;

const DANGER =
  'anybody who reaches it can read all alerts and the secrets of the configuration, forge alerts ' +
  'and silences, and stop the cluster';

/** Whether other machines reach a port that asks nobody for a proof. */
function isOpen({ clusterSecretFile, peer, peerTls }: PeerPort): boolean {
  return !isLoopback(peer.host) && clusterSecretFile === null && peerTls === null;
}

/** Why the node may not listen so, or null. */
export function problemOfPeerPort(port: PeerPort): string | null {
  if (!isOpen(port) || port.peerInsecure) return null;
  const { host, port: number } = port.peer;
  return (
    `--peer ${host}:${number} can be reached from other machines, and nothing protects it. Give all ` +
    'members the same --cluster-secret-file, or --peer-cert, --peer-key and --peer-ca. ' +
    `--peer-insecure listens without; then ${DANGER}.`
  );
}

/** What to log of a node that lets in members without a proof, or null. */
export function warningOfPeerPort(
  port: PeerPort,
): { readonly message: string; readonly fields: LogFields } | null {
  if (port.peerInsecure && port.clusterSecretFile !== null) {
    return {
      message: 'members without the secret are let in: --peer-insecure',
      fields: { hint: 'once all members have the secret, start each without --peer-insecure' },
    };
  }
  if (!isOpen(port)) return null;
  return {
    message: 'nothing protects the peer port: --peer-insecure',
    fields: { danger: DANGER, hint: 'give all members the same --cluster-secret-file' },
  };
}
