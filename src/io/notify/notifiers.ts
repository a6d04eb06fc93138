/**
 * The integrations of this build as the `Notifier` port, by type.
 *
 * Promise: stored settings are parsed here alone. After `close` nothing is sent any more, and what
 * was being sent has its result. The notifiers of a shadow never open a socket or a file.
 */

import type { DeliveryResult, Notifier } from '../ports.ts';
import type { Integration, IntegrationContext, IntegrationSchema } from './integration.ts';
import { INTEGRATIONS } from './registry.ts';

export interface NotifiersOptions extends Pick<IntegrationContext, 'version'> {
  /** Whether everything is withheld. */
  readonly isShadow?: boolean;
}
export type NotifiersModules = Pick<IntegrationContext, 'clock'>;

export interface Notifiers {
  readonly byType: ReadonlyMap<string, Notifier>;
  /** Aborts what is being sent and waits for the results. */
  close(): Promise<void>;
}

export function createNotifiers(
  { version, isShadow = false }: NotifiersOptions,
  { clock }: NotifiersModules,
): Notifiers {
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
  const senders = INTEGRATIONS.map((each) => notifierOf(each, { version, clock }));
  const all = isShadow ? senders.map(withholding) : senders;
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

/** An integration whose settings are still the text that the configuration command stored. */
export function notifierOf<Settings>(
  integration: Integration<Settings>,
  context: IntegrationContext,
): Notifier {
  const { schema } = integration;
  return {
    type: schema.type,
    send: async (delivery, signal) => {
      const settings = parsedSettings(schema, delivery.settings);
      if (settings !== null) return integration.send(delivery, settings.value, context, signal);
      const detail = `its settings are not those of a ${schema.type}`;
      return { result: 'rejected', status: 0, detail };
    },
    probe: async (text, signal) => {
      const settings = parsedSettings(schema, text);
      return settings !== null && integration.probe(settings.value, context, signal);
    },
  };
}

function parsedSettings<Settings>(
  { stored }: IntegrationSchema<Settings>,
  text: string,
): { readonly value: Settings } | null {
  try {
    return { value: stored.parse(JSON.parse(text)) };
  } catch {
    return null;
  }
}

/** Counts as delivered, so that a shadow decides next what it would decide if it had notified. */
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
    // A node that is no longer the leader does not decide for the shadow either.
    send: async ({ confirm }) => ((await confirm()).isFresh() ? WITHHELD : NOT_CONFIRMED),
  };
}
