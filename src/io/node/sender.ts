/**
 * Sends what is owed: attempt committed → connected → leadership confirmed → sent → outcome committed.
 *
 * Promise: nothing leaves the process before its attempt is in the log, and nothing unless a quorum
 * has just confirmed that this process leads (the notifiers keep that); whatever left has its
 * outcome proposed, and what this process cannot say is said by the next leader as `unknown`
 * (DESIGN section 4). At most a bounded number of sends is under way, also for each integration,
 * so that one slow receiver cannot hold up the others.
 */

import type { Attempt, Outcome } from '../../commands/delivery.ts';
import { LIMITS } from '../../commands/limits.ts';
import { keyOf } from '../../projections/uncertain-deliveries.ts';
import type { Notification, State } from '../../projections/state.ts';
import { get } from '../../projections/table.ts';
import { openAttempts } from '../../projections/views.ts';
import type { Clock, Confirmation, Delivery, DeliveryResult, Logger, Notifier } from '../ports.ts';
import { integrationAt } from './integrations.ts';

/** No receiver may hold an attempt longer, whatever its own time-out says. */
const SEND_MS_MAX = 5 * 60_000;

export interface SenderOptions {
  readonly node: string;
  readonly clusterId: string;
  /** What to call this cluster when the configuration does not say. */
  readonly externalUrl: () => string;
}

export interface SenderModules {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly notifiers: ReadonlyMap<string, Notifier>;
  readonly state: () => State;
  /** Resolves once a quorum has said whether this node leads. */
  readonly confirmLeadership: () => Promise<Confirmation>;
  readonly report: (outcome: Outcome) => void;
  /** A try has shown whether this process can connect to the receiver of an integration. */
  readonly onConnect: (integration: string, isConnected: boolean) => void;
}

export class Sender {
  readonly #options: SenderOptions;
  readonly #modules: SenderModules;
  /** Integration key by attempt, for those that this process started. */
  readonly #underWay = new Map<string, string>();
  readonly #cancel = new AbortController();

  constructor(options: SenderOptions, modules: SenderModules) {
    this.#options = options;
    this.#modules = modules;
  }

  /** The integration of each attempt that is under way. */
  underWay(): readonly string[] {
    return [...this.#underWay.values()];
  }

  /** Outcomes for attempts that no living process can answer for: a new leader's first words. */
  orphans(): readonly Outcome[] {
    return openAttempts(this.#modules.state())
      .filter(({ id, notification }) => !this.#underWay.has(attemptKey(id, notification.tries)))
      .map(({ id, notification }) => ({
        kind: 'outcome',
        notification: id,
        try: notification.tries,
        result: 'unknown',
        status: 0,
        detail: `${notification.node} stopped before it could say`,
        tookMs: 0,
      }));
  }

  /** Sends for an attempt that is committed, unless the fold did not take it. */
  start(attempt: Attempt): void {
    const id = attempt.notification;
    const notification = get(this.#modules.state().notifications, id);
    if (notification === undefined || !this.#isOpen(id, attempt.try)) return;
    this.#underWay.set(attemptKey(id, attempt.try), notification.integration);
    void this.#send(id, notification);
  }

  #isOpen(id: string, tries: number): boolean {
    const notification = get(this.#modules.state().notifications, id);
    return notification?.status === 'trying' && notification.tries === tries;
  }

  /** Resolves when nothing is under way, or after `waitMs`. */
  async drain(waitMs: number): Promise<void> {
    const { clock } = this.#modules;
    const until = clock.monotonicMs() + waitMs;
    while (this.#underWay.size > 0 && clock.monotonicMs() < until) {
      await new Promise<void>((resolve) => clock.after(20, resolve));
    }
    this.#cancel.abort();
  }

  async #send(id: string, notification: Notification): Promise<void> {
    const { clock, onConnect, report } = this.#modules;
    const startedAt = clock.monotonicMs();
    const result = await this.#deliver(id, notification);
    this.#underWay.delete(attemptKey(id, notification.tries));
    if (result.connected !== undefined) onConnect(notification.integration, result.connected);
    report({
      kind: 'outcome',
      notification: id,
      try: notification.tries,
      result: result.result,
      status: result.status,
      detail: result.detail.slice(0, LIMITS.detail).toWellFormed(),
      tookMs: Math.round(clock.monotonicMs() - startedAt),
    });
  }

  async #deliver(id: string, notification: Notification): Promise<DeliveryResult> {
    const { clock, confirmLeadership, logger, notifiers, state } = this.#modules;
    const command = state().config?.command;
    const integration = integrationAt(state(), notification.integration);
    if (command === undefined || integration === undefined) {
      return {
        result: 'rejected',
        status: 0,
        detail: 'the live configuration has no such receiver',
      };
    }
    const notifier = notifiers.get(integration.type);
    if (notifier === undefined) {
      return {
        result: 'rejected',
        status: 0,
        detail: `this build cannot send ${integration.type}`,
      };
    }
    const delivery: Delivery = {
      id,
      notification,
      try: notification.tries,
      idempotencyKey: `${this.#options.clusterId}/${keyOf(id, notification)}`,
      settings: integration.settings,
      externalUrl: command.externalUrl ?? this.#options.externalUrl(),
      // Who lost the leadership and has it again may send for no try that another leader has ended.
      confirm: async () => {
        const confirmed = await confirmLeadership();
        return { isFresh: () => confirmed.isFresh() && this.#isOpen(id, notification.tries) };
      },
    };
    const overdue = new AbortController();
    const signal = AbortSignal.any([overdue.signal, this.#cancel.signal]);
    let cancelTimer = (): void => undefined;
    const isOverdue = new Promise<DeliveryResult>((resolve) => {
      cancelTimer = clock.after(SEND_MS_MAX, () => {
        overdue.abort();
        resolve({ result: 'unknown', status: 0, detail: 'no answer in five minutes' });
      });
    });
    try {
      return await Promise.race([notifier.send(delivery, signal), isOverdue]);
    } catch (error) {
      // A notifier never rejects; if it does all the same, it is a fault of ours and not an answer.
      logger.error('notifier failed', { integration: notification.integration, error });
      return { result: 'unknown', status: 0, detail: String(error) };
    } finally {
      cancelTimer();
    }
  }
}

/** Of one try: another process may have made the next one while this one has no answer yet. */
function attemptKey(id: string, tries: number): string {
  return `${id}/${tries}`;
}
