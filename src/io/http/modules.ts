/**
 * What the HTTP server is given: plain options, and its neighbours as functions. Adapters may not
 * import one another, so whoever builds the server (the daemon) hands these over.
 */

import type { Actor } from '../../commands/actor.ts';
import type { Matcher } from '../../commands/matchers.ts';
import type { LocalTimeIn } from '../../projections/muting.ts';
import type { Network } from './client-address.ts';
import type { HttpCounters } from './counters.ts';
import type { ConnectionLimits } from './limits.ts';
import type {
  Clock,
  Logger,
  MonitorReport,
  NodeHandle,
  Random,
  StatusPage,
  View,
} from '../ports.ts';
import type { WebSettings } from './web-settings.ts';

export interface HttpOptions {
  readonly host: string;
  /** 0 takes a free port; {@link HttpServer.address} has it. */
  readonly port: number;
  /** Path under which everything is served, such as `/alerts`; empty for none. */
  readonly prefix: string;
  /** Alertmanager's classic mode: label names of ASCII letters, digits and `_` only. */
  readonly classicNames: boolean;
  /** The node's data directory, for answers that name the command which knows more. */
  readonly dataDirectory: string;
  /** The version of this build, for `/api/v2/status`. */
  readonly version: string;
  readonly revision: string;
  /** Where people find this server, for example behind a proxy; null for its own address. */
  readonly externalUrl?: string | null;
  /** Names of this server beside its address, in lower case. */
  readonly allowedHosts?: readonly string[];
  /** Web pages that may change something, such as `https://karma.example`. */
  readonly corsOrigins?: readonly string[];
  /** Users, tokens and TLS; without it everybody may do everything over plain HTTP. */
  readonly web?: WebSettings;
  /** Addresses and networks of proxies whose `X-Forwarded-For` counts. */
  readonly trustedProxies?: readonly Network[];
  /** Limits of connections that differ from {@link HTTP_LIMITS}. */
  readonly connectionLimits?: Partial<ConnectionLimits>;
}

export interface HttpModules {
  readonly node: NodeHandle;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly localTimeIn: LocalTimeIn;
  /** Reads `{a="b", c=~"d|e"}` in the mode that the options name. */
  readonly parseMatchers: (text: string) => Parsed<readonly Matcher[]>;
  /** Reads one matcher; a comma or a brace in its value is part of the value. */
  readonly parseMatcher: (text: string) => Parsed<Matcher>;
  /** The one spelling of a series name, or null when nothing may be called that. */
  readonly normalSeriesName: (name: string) => string | null;
  /** Whether a reading with this time of its own, in carbon's words, can be judged now. */
  readonly lateness: (time: number) => Lateness;
  /** The monitors that run on this node: all of them on the leader, none elsewhere. */
  readonly monitors: () => readonly MonitorReport[];
  /** The bytes of a backup of a view, for `tocsin restore`. */
  readonly backup: (view: View, clusterId: string) => Iterator<Uint8Array>;
  /** The text of a configuration file without its secrets. */
  readonly redactConfig: (source: string) => string;
  /** The part of it that Alertmanager knows, as a file that amtool loads; without secrets. */
  readonly alertmanagerConfig: (source: string) => string;
  /** Reads the configuration file again and applies it for `actor`; the message has every problem. */
  readonly reload: (actor: Actor) => Promise<Reloaded>;
  readonly page: StatusPage;
  readonly metrics: MetricsText;
  readonly counters: HttpCounters;
}

type Parsed<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly message: string };

export type Lateness = 'on-time' | 'late' | 'no-time';

export type Reloaded = { readonly ok: true } | { readonly ok: false; readonly message: string };

export interface MetricsText {
  readonly contentType: string;
  readonly text: () => Promise<string>;
}

/** The time as of which an answer is true: that of the log, which no leap of a clock is in. */
export function readingTime(node: NodeHandle): number {
  return node.time().at;
}

/** The time by the clock that clients go by, as far as anybody knows. */
export function clientTime(node: Pick<NodeHandle, 'time'>): number {
  const { at, offsetMs } = node.time();
  return at + offsetMs;
}

/** Reads calendars by the clock of people, given log times. */
export function localTimeOf({ node, localTimeIn }: HttpModules): LocalTimeIn {
  const { offsetMs } = node.time();
  return (at, zone) => localTimeIn(at + offsetMs, zone);
}
