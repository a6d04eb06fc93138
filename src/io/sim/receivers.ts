/**
 * Everybody whom a simulated node may page: they outlive its processes, answer as they are told
 * to, and remember what they got.
 *
 * A notification arrives the moment it is sent; its answer is lost with the process that waits for it.
 */

import { labelPairs } from '../../commands/labels.ts';
import type { Clock, Delivery, DeliveryResult, Notifier } from '../ports.ts';
import type { VirtualTime } from './virtual-time.ts';

/** An HTTP status, after so long; or none at all. */
export type Answer = { readonly status: number; readonly afterMs?: number } | 'never' | 'deaf';

/** A notification as its receiver sees it. */
export interface ReceivedNotification {
  /** In milliseconds of the world. */
  readonly atMs: number;
  /** `team/webhook[0]`. */
  readonly integration: string;
  /** The id of its notification. */
  readonly id: string;
  readonly try: number;
  readonly idempotencyKey: string;
  /** Whether its receiver takes it, whoever hears of that. */
  readonly accepted: boolean;
  /** True when it is marked as a possible duplicate. */
  readonly uncertain: boolean;
  readonly reason: string;
  /** `HighCpu(servers.a.cpu)`: the name of each alert, and its other labels' values. */
  readonly firing: readonly string[];
  readonly resolved: readonly string[];
}

/** Connections are made, are refused at once, or get no answer at all. */
export type Way = 'open' | 'refused' | 'lost';

export interface NotifierModules {
  readonly clock: Clock;
  readonly way?: () => Way;
  /** Somebody is to be notified, and the connection will not be made. */
  readonly onFailing?: () => void;
}

/** As long as the real client waits for a connection. */
const CONNECT_MS_MAX = 4_000;

export interface ReceiversOptions {
  /** What is answered when nothing else was said; asked for each page if it is a function. */
  readonly answer: Answer | (() => Answer);
  /** How long a connection takes to be made; at once when left out. */
  readonly connectMs?: () => number;
}

export class Receivers {
  readonly notifications: ReceivedNotification[] = [];
  /** Connections that were made, or tried, only to see whether they can be made. */
  probes = 0;
  /** The most pages that were being answered at once, by integration; `all` for all of them. */
  readonly busiest = new Map<string, number>();
  readonly #options: ReceiversOptions;
  readonly #time: VirtualTime;
  readonly #script = new Map<string, Answer[]>();
  readonly #usually = new Map<string, Answer>();
  readonly #busy = new Map<string, number>();

  constructor(options: ReceiversOptions, { time }: { readonly time: VirtualTime }) {
    this.#options = options;
    this.#time = time;
  }

  /** What an integration answers to its next pages; afterwards as usual. */
  next(integration: string, ...answers: readonly Answer[]): void {
    this.#script.set(integration, [...answers]);
  }

  /** What an integration answers from now on, unless something else was said for the next pages. */
  usually(integration: string, answer: Answer): void {
    this.#usually.set(integration, answer);
  }

  /** The Notifier port of one process. `way` is how its connections fare now; good when left out. */
  notifier(
    type: string,
    { clock, onFailing = () => undefined, way = () => 'open' }: NotifierModules,
  ): Notifier {
    return {
      type,
      send: (delivery, signal) => {
        if (way() !== 'open') onFailing();
        return this.#receive(delivery, signal, { clock, way });
      },
      probe: async (_settings, signal) => {
        this.probes++;
        return (await connected(clock, way(), signal)) === null;
      },
    };
  }

  /** Forgets who was being answered: the process that waited is gone. */
  hangUp(): void {
    this.#busy.clear();
  }

  async #receive(
    delivery: Delivery,
    signal: AbortSignal,
    { clock, way }: Required<Pick<NotifierModules, 'clock' | 'way'>>,
  ): Promise<DeliveryResult> {
    const { integration } = delivery.notification;
    if (signal.aborted) return { result: 'retry', status: 0, detail: 'given up before sending' };
    const problem = await connected(clock, way(), signal);
    if (problem !== null) return { result: 'retry', status: 0, detail: problem, connected: false };
    // As the real client: connect, have leadership confirmed, and write while that is fresh.
    const connectMs = this.#options.connectMs?.() ?? 0;
    if (connectMs > 0) await new Promise<void>((resolve) => clock.after(connectMs, resolve));
    const confirmation = await delivery.confirm();
    if (!confirmation.isFresh()) {
      return {
        result: 'retry',
        status: 0,
        detail: 'leadership was not confirmed',
        connected: true,
      };
    }
    const answer =
      this.#script.get(integration)?.shift() ?? this.#usually.get(integration) ?? this.#ordinary();
    this.notifications.push(pageOf(delivery, answer, this.#time.nowMs));
    this.#count(integration, 1);
    const result = await answered(answer, signal, clock);
    this.#count(integration, -1);
    return { ...result, connected: true };
  }

  #ordinary(): Answer {
    const { answer } = this.#options;
    return typeof answer === 'function' ? answer() : answer;
  }

  #count(integration: string, change: number): void {
    for (const key of [integration, 'all']) {
      const busy = (this.#busy.get(key) ?? 0) + change;
      this.#busy.set(key, busy);
      this.busiest.set(key, Math.max(busy, this.busiest.get(key) ?? 0));
    }
  }
}

/** Why no connection is made, or null. */
async function connected(clock: Clock, way: Way, signal: AbortSignal): Promise<string | null> {
  if (way === 'open') return null;
  if (way === 'refused') return 'ECONNREFUSED';
  await new Promise<void>((resolve) => {
    const cancel = clock.after(CONNECT_MS_MAX, resolve);
    const onAbort = (): void => {
      cancel();
      resolve();
    };
    signal.addEventListener('abort', onAbort, { once: true });
  });
  return `no connection within ${CONNECT_MS_MAX} ms`;
}

function answered(answer: Answer, signal: AbortSignal, clock: Clock): Promise<DeliveryResult> {
  return new Promise((resolve) => {
    // Not even giving up on it brings an end: what a broken integration would do.
    if (answer === 'deaf') return;
    const giveUp = (): void =>
      resolve({ result: 'unknown', status: 0, detail: 'no answer in time' });
    if (answer === 'never') {
      signal.addEventListener('abort', giveUp);
      return;
    }
    const waiting = { giveUp };
    const onAbort = weakly(new WeakRef(waiting));
    signal.addEventListener('abort', onAbort);
    clock.after(answer.afterMs ?? 1, () => {
      signal.removeEventListener('abort', onAbort);
      if (!signal.aborted) resolve(resultOf(answer.status));
      else waiting.giveUp();
    });
  });
}

/**
 * Node.js keeps a signal that is listened to for ever. The listener must not keep all of its world,
 * which may end while an answer is still to come: it finds what the timer of the answer keeps. A
 * function of its own, since closures of one function keep alive whatever any of them uses.
 */
function weakly(waiting: WeakRef<{ readonly giveUp: () => void }>): () => void {
  return () => waiting.deref()?.giveUp();
}

/** As the webhook sender judges a status: 5xx may pass, other refusals will not. */
function resultOf(status: number): DeliveryResult {
  const detail = `HTTP ${status}`;
  if (status < 300) return { result: 'delivered', status, detail };
  return { result: status >= 500 ? 'retry' : 'rejected', status, detail };
}

function pageOf(delivery: Delivery, answer: Answer, atMs: number): ReceivedNotification {
  const { id, idempotencyKey, notification } = delivery;
  const { integration, reason, uncertain, alerts } = notification;
  const names = (resolved: boolean): readonly string[] =>
    alerts
      .filter((alert) => alert.resolved === resolved)
      .map((alert) => nameOf(alert.labels))
      .sort();
  return {
    atMs,
    integration,
    id,
    try: delivery.try,
    idempotencyKey,
    accepted: typeof answer === 'object' && resultOf(answer.status).result === 'delivered',
    uncertain,
    reason,
    firing: names(false),
    resolved: names(true),
  };
}

function nameOf(labels: Parameters<typeof labelPairs>[0]): string {
  const pairs = [...labelPairs(labels)];
  const name = pairs.find(([label]) => label === 'alertname')?.[1] ?? '';
  const rest = pairs.filter(([label]) => label !== 'alertname').map(([, value]) => value);
  return rest.length === 0 ? name : `${name}(${rest.join(',')})`;
}
