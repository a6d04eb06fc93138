/**
 * Commands that fit their schema and still cannot be folded: their patterns, expressions and versions
 * are not those of this build.
 *
 * Promise: what passes makes no reducer throw. An entry that makes one throw ends every member at every
 * start, so such a command is refused before it is in the log. Only what could not be read at all is
 * refused: what is merely over a limit of this build is left to the inputs.
 */

import type { Command } from '../../commands/command.ts';
import type { Config, Route } from '../../commands/config.ts';
import { matcherText, type Matcher } from '../../commands/matchers.ts';
import { MalformedCommand } from '../../commands/schema.ts';
import { compiledExpression } from '../../projections/expressions.ts';
import { parseGlob } from '../../projections/glob.ts';
import type { Build } from '../../projections/reducers.ts';

/** Throws {@link MalformedCommand} for the first command that this build cannot fold. */
export function requireFoldable(
  commands: readonly Command[],
  { reducersMax }: Pick<Build, 'reducersMax'>,
): void {
  for (const command of commands) {
    switch (command.kind) {
      case 'config':
        requireConfig(command.config);
        break;
      case 'silence':
        requireMatchers('silence', command.matchers);
        break;
      case 'reducers':
        if (command.version > reducersMax) {
          throw new MalformedCommand(
            'reducers',
            `switches to version ${command.version} of the fold, and this build has version ${reducersMax}`,
          );
        }
        break;
      default:
        break;
    }
  }
}

function requireConfig({ checks, inhibitRules, route }: Config): void {
  for (const { name, series } of checks) {
    const parsed = parseGlob(series);
    if (!parsed.ok) throw new MalformedCommand(`config, check ${name}`, parsed.message);
  }
  for (const { sourceMatchers, targetMatchers } of inhibitRules) {
    requireMatchers('config, inhibition rule', sourceMatchers);
    requireMatchers('config, inhibition rule', targetMatchers);
  }
  requireRoute(route);
}

/** The schema bounds the depth of the tree. */
function requireRoute({ matchers, receiver, routes }: Route): void {
  requireMatchers(`config, route to ${receiver}`, matchers);
  for (const each of routes) requireRoute(each);
}

function requireMatchers(place: string, matchers: readonly Matcher[]): void {
  for (const matcher of matchers) {
    if (matcher.op === '=' || matcher.op === '!=') continue;
    try {
      compiledExpression(matcher.value);
    } catch (error) {
      throw new MalformedCommand(
        `${place}, matcher ${matcherText(matcher)}`,
        (error as Error).message,
      );
    }
  }
}
