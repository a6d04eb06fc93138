/** What a node is made of: its settings, and the ports that it uses. */

import type { ApplyConfig } from '../../commands/config.ts';
import type { Log } from '../../log/log.ts';
import type { LocalTimeIn } from '../../projections/muting.ts';
import type { Build } from '../../projections/reducers.ts';
import type { State } from '../../projections/state.ts';
import type {
  Clock,
  Logger,
  NodeObserver,
  Notifier,
  Random,
  SnapshotStore,
  Transport,
  Vitals,
} from '../ports.ts';
import type { HousekeepingOptions } from './housekeeping.ts';

/** The configuration file of this process. */
export interface NodeConfiguration {
  /** Hex hash of the contents of the file. */
  readonly hash: () => string;
  /** The command that applies it; null when the state has just this one. */
  readonly commandFor: (state: State) => ApplyConfig | null;
}

export interface NodeOptions extends HousekeepingOptions {
  readonly name: string;
  /** Rises with every start of this node. */
  readonly incarnation: number;
  /** Of the program, for people. */
  readonly version: string;
  /** What it folds and wants to fold; the simulator runs several builds, everybody else this one. */
  readonly build?: Build;
  /** Where this node is reached; asked late, since a port of 0 is known only once it is bound. */
  readonly addresses: () => { readonly http: string; readonly peer: string };
  /** What notifications call this cluster when the configuration has no external URL. */
  readonly externalUrl: () => string;
  /** Length of one tick of consensus. */
  readonly tickMs: number;
  /** Holds all flushes after this node became leader, as Alertmanager's `--dispatch.start-delay`. */
  readonly startDelayMs: number;
  readonly configuration: NodeConfiguration;
}

export interface NodeModules {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly log: Log;
  readonly snapshots: SnapshotStore;
  readonly transport: Transport;
  readonly notifiers: ReadonlyMap<string, Notifier>;
  readonly localTimeIn: LocalTimeIn;
  readonly observer: NodeObserver;
  readonly vitals: Vitals;
  /** Called once when the node can go on no more; the process must end. */
  readonly onFailure: (error: Error) => void;
}
