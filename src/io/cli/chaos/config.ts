/** The configuration of the members: one page for each alert, and no other. */

/** Every alert has a value of its own for it, by which the route groups. */
export const ALERT_LABEL = 'chaos';

/** Long enough that an alert that was acknowledged can be looked for, short enough to be forgotten. */
export const ALERT_LIFE_MS = 30 * 60_000;

export function configText(inboxUrl: string): string {
  return `# Written by tocsin chaos.
route:
  receiver: inbox
  group_by: [${ALERT_LABEL}]
  group_wait: 0s
  group_interval: 1h
  repeat_interval: 52w
receivers:
  - name: inbox
    webhook_configs: [{url: '${inboxUrl}', send_resolved: false}]
checks:
  # The readings stay below: they are there for their work, and page nobody.
  - {name: TooHigh, series: 'chaos.*.load', above: 1000, for: 1m, severity: critical}
`;
}
