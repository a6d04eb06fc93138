/** Finds an integration of the live configuration by what attempts and members call it. */

import { integrationKey, type Integration } from '../../commands/config.ts';
import { routingOf } from '../../projections/routing.ts';
import type { State } from '../../projections/state.ts';

/** `receiver/type[n]`; undefined when the configuration has no such integration. */
export function integrationAt(state: State, key: string): Integration | undefined {
  const config = state.config?.command.config;
  if (config === undefined) return undefined;
  // A receiver may have a slash in its name, and a type has none.
  const receiver = key.slice(0, key.lastIndexOf('/'));
  return routingOf(config)
    .receivers.get(receiver)
    ?.integrations.find((each) => integrationKey(receiver, each) === key);
}
