/**
 * Pushes the figures of `/metrics` to a carbon listener, for people who watch with Graphite.
 *
 * Promise: it costs the node a scrape each time and never more than a bound of memory, whatever
 * carbon does. What cannot be delivered waits, the oldest is dropped when there is too much of it,
 * and a push that may have arrived is sent again: to carbon the same figure twice is one figure.
 */

import net from 'node:net';
import type { Clock, Logger } from '../ports.ts';
import { graphiteLines, pathNode } from './graphite-lines.ts';

export interface GraphitePushOptions {
  readonly host: string;
  readonly port: number;
  /** Nodes of a path with dots between them, as a person writes it. */
  readonly prefix: string;
  /** Names of the cluster and of this node: the next two nodes of each path. */
  readonly cluster: string;
  readonly node: string;
  readonly intervalMs?: number;
  /** What may wait for a carbon that is away. */
  readonly waitingBytesMax?: number;
}

export interface GraphitePushModules {
  readonly clock: Clock;
  readonly logger: Logger;
  /** The figures as of now, in the text format of Prometheus. */
  readonly metrics: { text(): Promise<string> };
}

export interface GraphitePush {
  /** Ends it, also a delivery under way. */
  close(): void;
}

export type GraphitePushStarted =
  | { readonly ok: true; readonly push: GraphitePush }
  | { readonly ok: false; readonly message: string };

const INTERVAL_MS = 10_000;

/** Nearly half an hour of pushes. */
const WAITING_BYTES_MAX = 1024 * 1024;

/** One delivery takes at least one push and at most so much, and ends before the next one is due. */
const DELIVERY_BYTES_MAX = 64 * 1024;
const DELIVERY_MS_MAX = 5_000;

/** Pushes for as long as the process lives. Whether carbon is there shows later. */
export function startGraphitePush(
  options: GraphitePushOptions,
  modules: GraphitePushModules,
): GraphitePushStarted {
  const { prefix, cluster, node } = options;
  if (!/^[\w-]+(?:\.[\w-]+)*$/.test(prefix)) {
    const problem = `--graphite-prefix ${JSON.stringify(prefix)} is no path of Graphite`;
    const hint = "use letters, digits, '-' and '_', with dots between them, such as servers.tocsin";
    return { ok: false, message: `${problem}: ${hint}.` };
  }
  const root = [prefix, pathNode(cluster), pathNode(node)].join('.');
  return { ok: true, push: pushUnder(root, options, modules) };
}

function pushUnder(
  root: string,
  options: GraphitePushOptions,
  { clock, logger, metrics }: GraphitePushModules,
): GraphitePush {
  const { intervalMs = INTERVAL_MS, waitingBytesMax = WAITING_BYTES_MAX } = options;
  const waiting = createWaiting(waitingBytesMax);
  const outage = createOutage(`${options.host}:${options.port}`, { clock, logger });
  const ended = new AbortController();
  let cancel = (): void => undefined;

  const push = async (): Promise<void> => {
    const atSeconds = Math.floor(clock.now() / 1_000);
    waiting.add(graphiteLines(await metrics.text(), root, atSeconds));
    const oldest = waiting.oldest(DELIVERY_BYTES_MAX);
    await deliver(oldest.join(''), options, ended.signal, clock);
    waiting.remove(oldest.length);
  };

  // At full multiples of the interval, so that each push falls into a slot of its own at carbon.
  const schedule = (): void => {
    if (ended.signal.aborted) return;
    cancel = clock.after(intervalMs - (clock.now() % intervalMs), () => {
      void push()
        .then(
          () => outage.over(waiting.takeDropped()),
          (error: unknown) => outage.noticed(error, ended.signal),
        )
        .then(schedule);
    });
  };

  schedule();
  return {
    close: () => {
      ended.abort();
      cancel();
    },
  };
}

interface Waiting {
  add(lines: string): void;
  /** The first pushes in line: one at least, and not more than so many bytes of them. */
  oldest(bytesMax: number): readonly string[];
  /** Forgets so many of the oldest. */
  remove(count: number): void;
  /** How many pushes were dropped since this was last asked. */
  takeDropped(): number;
}

function createWaiting(bytesMax: number): Waiting {
  // Paths and numbers are ASCII, so a character is a byte.
  const pushes: string[] = [];
  let bytes = 0;
  let dropped = 0;
  const dropFirst = (): void => {
    bytes -= pushes.shift()?.length ?? 0;
  };
  return {
    add(lines) {
      pushes.push(lines);
      bytes += lines.length;
      for (; bytes > bytesMax && pushes.length > 1; dropped++) dropFirst();
    },
    oldest(deliveryBytesMax) {
      let sum = 0;
      const end = pushes.findIndex((lines, at) => {
        sum += lines.length;
        return at > 0 && sum > deliveryBytesMax;
      });
      return pushes.slice(0, end === -1 ? undefined : end);
    },
    remove(count) {
      for (let left = count; left > 0; left--) dropFirst();
    },
    takeDropped() {
      const count = dropped;
      dropped = 0;
      return count;
    },
  };
}

/** Says that carbon is away, and that it is back: once each. */
function createOutage(
  address: string,
  { clock, logger }: { readonly clock: Clock; readonly logger: Logger },
) {
  let sinceMs: number | null = null;
  return {
    noticed(error: unknown, ended: AbortSignal): void {
      if (sinceMs !== null || ended.aborted) return;
      sinceMs = clock.monotonicMs();
      logger.warn('graphite away', { address, error: problemOf(error) });
    },
    over(pushesDropped: number): void {
      if (sinceMs === null) return;
      const awayMs = Math.round(clock.monotonicMs() - sinceMs);
      sinceMs = null;
      logger.info('graphite back', { address, awayMs, pushesDropped });
    },
  };
}

/** A host with several addresses fails with an error that has a code, and no words. */
function problemOf(error: unknown): string {
  const { message, code } = error as NodeJS.ErrnoException;
  return message || (code ?? 'unknown');
}

/**
 * Sends lines on a connection of their own. Carbon answers nothing, but it closes the connection
 * when it has read to its end: that is taken for the receipt. A connection that is kept would not
 * notice for a quarter of an hour that the machine behind it is gone.
 */
function deliver(
  lines: string,
  { host, port }: { readonly host: string; readonly port: number },
  signal: AbortSignal,
  clock: Clock,
): Promise<void> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const socket = net.connect({ host, port });
    const giveUp = (reason: string) => (): void => void socket.destroy(new Error(reason));
    const cancel = clock.after(
      DELIVERY_MS_MAX,
      giveUp(`carbon has not read everything within ${DELIVERY_MS_MAX / 1_000} s`),
    );
    const end = giveUp('it was ended');
    signal.addEventListener('abort', end);
    socket.on('error', reject);
    socket.on('close', () => {
      cancel();
      signal.removeEventListener('abort', end);
      // After an error this changes nothing any more.
      resolve();
    });
    socket.resume();
    socket.end(lines);
  });
}
