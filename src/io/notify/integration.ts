/**
 * What an integration is: its schema, what may be repeated, and how to send. `registry.ts` lists
 * all of them.
 */

import type { z } from 'zod';
import type { HttpConfig } from '../config/http-config.ts';
import type { Clock, Delivery, DeliveryResult } from '../ports.ts';

/** What `global` has for all integrations that do not have their own. */
export interface IntegrationDefaults {
  readonly httpConfig: HttpConfig | undefined;
}

/** One item of `<type>_configs`, as the schema reads it from a file. */
export interface ReadIntegration<Settings> {
  /** Undefined when the file does not have it. */
  readonly sendResolved: boolean | undefined;
  /** What is accepted and probably not meant; `key` is the key of the item. */
  readonly warnings: readonly { readonly key: string; readonly message: string }[];
  /** What the configuration command stores, with all defaults, as JSON with sorted keys. */
  readonly settings: (defaults: IntegrationDefaults) => Settings;
}

/** The settings of one type, in the file and as they are stored. */
export interface IntegrationSchema<Settings> {
  /** `webhook` for `webhook_configs`. The log has this name: it is permanent. */
  readonly type: string;
  /** `send_resolved` of an item that does not have it, as in Alertmanager. */
  readonly sendResolved: boolean;
  /** Keys whose values are secrets, beside those that `config/redact.ts` hides for all types. */
  readonly secretKeys: readonly string[];
  /** Reads one item of `<type>_configs`. */
  readonly item: z.ZodType<ReadIntegration<Settings>>;
  /** Reads what this build, or one before or after it, has stored. */
  readonly stored: z.ZodType<Settings>;
}

/**
 * What a receiver does with a notification that it has had already, which the sender cannot know
 * after an attempt of unknown outcome.
 *
 * - `freely`: the receiver merges it by what it is about, such as PagerDuty by its `dedup_key`.
 * - `same-id`: every attempt carries the same id, by which the receiver can recognise it.
 * - `marked`: the receiver shows it again, so that the notification itself says that it may be a
 *   duplicate.
 */
export type Repeatability = 'freely' | 'same-id' | 'marked';

/** What each integration is given by the process. */
export interface IntegrationContext {
  /** Of this build, for the User-Agent. */
  readonly version: string;
  readonly clock: Clock;
}

/** Sends the notifications of one type. */
export interface Integration<Settings> {
  readonly schema: IntegrationSchema<Settings>;
  readonly repeatability: Repeatability;
  /**
   * One attempt. Never rejects: a fault is a result. It calls `delivery.confirm` after it has
   * connected, and writes the first byte only while the confirmation is fresh (ADR 15).
   */
  send(
    delivery: Delivery,
    settings: Settings,
    context: IntegrationContext,
    signal: AbortSignal,
  ): Promise<DeliveryResult>;
  /** Whether a connection to the receiver can be made, without a request. Never rejects. */
  probe(settings: Settings, context: IntegrationContext, signal: AbortSignal): Promise<boolean>;
}
