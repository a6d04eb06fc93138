/**
 * The senders of this build, by integration type.
 *
 * Promise: after `close` nothing is sent any more, and what was being sent has its result.
 */

import type { Delivery, DeliveryResult, Notifier } from '../ports.ts';
import { webhookNotifier, type WebhookModules, type WebhookOptions } from './webhook.ts';

export type NotifiersOptions = WebhookOptions;
export type NotifiersModules = WebhookModules;

export interface Notifiers {
  readonly byType: ReadonlyMap<string, Notifier>;
  /** Aborts what is being sent and waits for the results. */
  close(): Promise<void>;
}

export function createNotifiers(options: NotifiersOptions, modules: NotifiersModules): Notifiers {
  const running = new Map<AbortController, Promise<DeliveryResult>>();
  let closed = false;
  const tracked = async (
    notifier: Notifier,
    delivery: Delivery,
    signal: AbortSignal,
  ): Promise<DeliveryResult> => {
    const ends = new AbortController();
    const end = (): void => ends.abort();
    if (closed || signal.aborted) end();
    signal.addEventListener('abort', end);
    const sending = notifier.send(delivery, ends.signal);
    running.set(ends, sending);
    return sending.finally(() => {
      signal.removeEventListener('abort', end);
      running.delete(ends);
    });
  };
  const all = [webhookNotifier(options, modules)];
  return {
    byType: new Map(
      all.map((notifier) => [
        notifier.type,
        { type: notifier.type, send: (delivery, signal) => tracked(notifier, delivery, signal) },
      ]),
    ),
    close: async () => {
      closed = true;
      for (const ends of running.keys()) ends.abort();
      await Promise.all(running.values());
    },
  };
}
