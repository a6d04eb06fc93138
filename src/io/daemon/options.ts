/** What the command line gives to the daemon, and the signals that it follows. */

import type { HttpOptions } from '../http/modules.ts';
import type { LogLevel } from './system-ports.ts';
import type { TlsFiles } from './tls-files.ts';

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
  /** Who may do what over HTTP: Alertmanager's web configuration file; null for everybody. */
  readonly webConfig: string | null;
  /** Names under which others reach the HTTP port, beside those that are known. */
  readonly allowedHosts: readonly string[];
  /** Web pages that may change something. */
  readonly corsOrigins: readonly string[];
  /** Addresses and networks of proxies whose `X-Forwarded-For` counts. */
  readonly trustedProxies: NonNullable<HttpOptions['trustedProxies']>;
  readonly classicNames: boolean;
  /** How notifications link here; null uses the HTTP address. */
  readonly externalUrl: string | null;
  readonly startDelayMs: number;
  /** Readings whose own time is further back are counted and not judged; 0 for no limit. */
  readonly lateAfterMs: number;
  readonly retentionMs: number;
  readonly retentionBytes: number;
  readonly logLevel: LogLevel;
  /** Addresses of members, for a node that shall become one. */
  readonly join: readonly string[];
  /** `URL[,URL]` of etcd, or null. */
  readonly etcd: string | null;
  /** The name under which a cluster finds itself in etcd, and shows itself in Graphite. */
  readonly cluster: string;
  readonly standalone: boolean;
  /** Decides everything and tells nobody. */
  readonly shadow: boolean;
  /** The host at which others reach this node; null for the one on which it listens. */
  readonly advertise: string | null;
  /** Null for a peer port without TLS. */
  readonly peerTls: TlsFiles | null;
  /** The file with the secret of the cluster, or null. */
  readonly clusterSecretFile: string | null;
  /** Lets in members that prove nothing. */
  readonly peerInsecure: boolean;
  /** Where to push the metrics as carbon lines; null for nowhere. */
  readonly graphite: HostPort | null;
  readonly graphitePrefix: string;
}

export interface DaemonSignals {
  /** Aborted once the daemon shall stop. */
  readonly stop: AbortSignal;
  /** Fires `reload` when the configuration file shall be read again, `clock` when the clock is right. */
  readonly reload: EventTarget;
}
