/**
 * The senders of this build, by integration type.
 *
 * Promise: after `close` nothing is sent any more, and what was being sent has its result. Those of
 * a shadow never open a socket or a file.
 */

import type { DeliveryResult, Notifier } from '../ports.ts';
import { webhookNotifier, type WebhookModules, type WebhookOptions } from './webhook/webhook.ts';

export interface NotifiersOptions extends WebhookOptions {
  /** Whether everything is withheld. */
  readonly isShadow?: boolean;
}
export type NotifiersModules = WebhookModules;

export interface Notifiers {
  readonly byType: ReadonlyMap<string, Notifier>;
  /** Aborts what is being sent and waits for the results. */
  close(): Promise<void>;
}

export function createNotifiers(options: NotifiersOptions, modules: NotifiersModules): Notifiers {
  const running = new Map<AbortController, Promise<unknown>>();
  let closed = false;
  const tracked = async <T>(
    run: (signal: AbortSignal) => Promise<T>,
    signal: AbortSignal,
  ): Promise<T> => {
    const ends = new AbortController();
    const end = (): void => ends.abort();
    if (closed || signal.aborted) end();
    signal.addEventListener('abort', end);
    const work = run(ends.signal);
    running.set(ends, work);
    return work.finally(() => {
      signal.removeEventListener('abort', end);
      running.delete(ends);
    });
  };
  const senders = [webhookNotifier(options, modules)];
  const all = options.isShadow === true ? senders.map(withholding) : senders;
  return {
    byType: new Map(
      all.map((notifier) => [
        notifier.type,
        {
          type: notifier.type,
          send: (delivery, signal) => tracked((ends) => notifier.send(delivery, ends), signal),
          probe: (settings, signal) => tracked((ends) => notifier.probe(settings, ends), signal),
        },
      ]),
    ),
    close: async () => {
      closed = true;
      for (const ends of running.keys()) ends.abort();
      await Promise.all(running.values());
    },
  };
}

/** Counts as delivered: what a shadow decides next must be what it would decide had it told. */
const WITHHELD: DeliveryResult = {
  result: 'delivered',
  status: 0,
  detail: 'withheld: this is a shadow, which tells nobody',
};

const NOT_CONFIRMED: DeliveryResult = {
  result: 'retry',
  status: 0,
  detail: 'leadership was not confirmed',
};

function withholding({ type }: Notifier): Notifier {
  return {
    type,
    probe: () => Promise.resolve(true),
    // What a node says that does not lead any more is no decision of the shadow either.
    send: async ({ confirm }) => ((await confirm()).isFresh() ? WITHHELD : NOT_CONFIRMED),
  };
}
