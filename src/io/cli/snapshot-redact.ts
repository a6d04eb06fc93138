/** The applied configuration as it may be shown: what only senders and monitors read is redacted. */

import type { AppliedConfig } from '../../projections/state.ts';

/** The text of a configuration file without its secrets. */
export type Redact = (source: string) => string;

export function redactedConfig(applied: AppliedConfig, redact: Redact): AppliedConfig {
  const { config, externalUrl, source } = applied.command;
  const receivers = config.receivers.map((receiver) => ({
    ...receiver,
    integrations: receiver.integrations.map((integration) => ({
      ...integration,
      settings: redactedIn(`${integration.type}_configs`, integration.settings, redact),
    })),
  }));
  const monitors = config.monitors.map((monitor) => ({
    ...monitor,
    settings: redactedIn(monitor.type, monitor.settings, redact),
  }));
  return {
    ...applied,
    command: {
      ...applied.command,
      source: redact(source),
      externalUrl: externalUrl === null ? null : redact(externalUrl),
      config: { ...config, receivers, monitors },
    },
  };
}

/**
 * Settings are JSON, which is YAML. Whether a URL is a secret depends on the key above it, so they
 * are redacted in their place and cut out again.
 */
function redactedIn(section: string, settings: string, redact: Redact): string {
  const before = `{${JSON.stringify(section)}: [`;
  const after = ']}';
  const text = redact(before + settings + after);
  const isIntact = text.startsWith(before) && text.endsWith(after);
  return isIntact ? text.slice(before.length, -after.length) : '<secret>';
}
