/** Opens the peer port with its certificates and its secret, which may change while the node runs. */

import { createTransport, type TcpTransport } from '../net/transport.ts';
import { FRAMES_LEVEL } from '../node/wire.ts';
import type { Clock, Logger, Random } from '../ports.ts';
import type { Cleanups } from './cleanups.ts';
import { listenError } from './failure.ts';
import type { NodeFacts } from './node-file.ts';
import type { DaemonOptions } from './options.ts';
import { warningOfPeerPort } from './peer-port.ts';
import { readSecretFile, SecretFile, warnOfReaders } from './secret-file.ts';
import { readTlsFiles } from './tls-files.ts';

export interface PeerPortModules {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly cleanups: Cleanups;
}

export interface BoundPeerPort {
  readonly transport: TcpTransport;
  /** Null without `--cluster-secret-file`. */
  readonly secretFile: SecretFile | null;
}

/** Listens for peers. Rejects with a `StartupError` that names the flag. */
export async function bindPeerPort(
  options: DaemonOptions,
  { nodeId, starts }: Pick<NodeFacts, 'nodeId' | 'starts'>,
  { clock, random, logger, cleanups }: PeerPortModules,
): Promise<BoundPeerPort> {
  const { advertise, clusterSecretFile, name, peer, peerInsecure, peerTls } = options;
  const secrets = clusterSecretFile === null ? null : await readSecretFile(clusterSecretFile);
  const transport = await createTransport(
    {
      ...peer,
      advertise,
      clusterId: null,
      nodeId,
      name,
      incarnation: starts,
      tls: peerTls === null ? null : await readTlsFiles(peerTls),
      secrets,
      acceptsPlain: peerInsecure,
      framesLevel: FRAMES_LEVEL,
    },
    { clock, random, logger },
  ).catch(listenError('--peer', peer));
  cleanups.add('peer port', () => transport.close());
  let secretFile: SecretFile | null = null;
  if (clusterSecretFile !== null && secrets !== null) {
    await warnOfReaders('the secret of the cluster', [clusterSecretFile], logger);
    const onChange = (changed: readonly string[]): void => transport.changeSecrets(changed);
    secretFile = new SecretFile({ file: clusterSecretFile, secrets, clock, logger, onChange });
    const watched = secretFile;
    cleanups.add('secret file', () => watched.stop());
  }
  if (peerTls !== null) await warnOfReaders('the key of the peer port', [peerTls.key], logger);
  const warning = warningOfPeerPort(options);
  if (warning !== null) logger.warn(warning.message, warning.fields);
  return { transport, secretFile };
}
