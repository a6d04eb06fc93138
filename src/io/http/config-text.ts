/**
 * The applied configuration as text, worked out once for each configuration: dashboards ask for it
 * every few seconds, and a file may be long.
 */

import type { State } from '../../projections/state.ts';

/** Gives the text of a state's configuration as `render` has it; empty without one. */
export function configText(render: (source: string) => string): (state: State) => string {
  let entry = { source: '', text: '' };
  return ({ config }) => {
    const source = config?.command.source ?? '';
    if (source !== entry.source) entry = { source, text: render(source) };
    return entry.text;
  };
}
