/**
 * The integrations of this build. The configuration reader takes their schemas from here, and
 * `notifiers.ts` their senders.
 */

import type { Integration } from './integration.ts';
import { webhook } from './webhook/webhook.ts';

export const INTEGRATIONS: readonly Integration<unknown>[] = [webhook];
