/**
 * The configuration reader: the text of a file becomes a command, or a list of problems.
 *
 * Promise: a file of Alertmanager is accepted as it is; what is accepted can be appended to the
 * log; all problems of a file are found in one go, each with line, column and hint. Reads nothing
 * but the text: templates and includes are left to {@link readConfigFile}.
 */

import type { ApplyConfig, Config } from '../../commands/config.ts';
import { LIMITS } from '../../commands/limits.ts';
import { MalformedCommand } from '../../commands/schema.ts';
import { encodeBatch } from '../../log/codec.ts';
import { readChecks } from './checks.ts';
import { isFields, list, maybe, text } from './fields.ts';
import { readGlobal } from './global.ts';
import { readInhibitRules } from './inhibition.ts';
import { readIntervals } from './intervals.ts';
import { readMonitors } from './monitors.ts';
import { pathText, type Path, type Problem } from './problems.ts';
import { Reader } from './reader.ts';
import { readReceivers } from './receivers.ts';
import { countRoutes, readRoute } from './routes.ts';
import { Scalar, type Place, type Value } from './yaml.ts';

export interface ReadConfigOptions {
  /** The file as the user wrote it: it stands in messages and in the command. */
  readonly file: string;
  /** The URL under which people reach the cluster. */
  readonly externalUrl?: string | null;
  /** Label names only of letters, digits and `_`, as Alertmanager before 0.27. */
  readonly classicNames?: boolean;
  /** What `location: Local` means; the zone of this machine unless given. */
  readonly localZone?: string;
}

/** A pattern of template files, and where it stands. */
export interface TemplatePattern extends Place {
  readonly pattern: string;
  readonly path: string;
}

export type ReadConfig =
  | {
      readonly ok: true;
      readonly command: Omit<ApplyConfig, 'kind'>;
      readonly warnings: readonly Problem[];
      /** `3 receivers, 12 routes, 4 checks, 2 monitors, 1 inhibition rule` */
      readonly summary: string;
      readonly templates: readonly TemplatePattern[];
    }
  | { readonly ok: false; readonly problems: readonly Problem[] };

/** What every version of Alertmanager loads. */
export const ALERTMANAGER_SECTIONS = [
  'global',
  'route',
  'receivers',
  'inhibit_rules',
  'time_intervals',
  'mute_time_intervals',
  'templates',
];

const SECTIONS = [...ALERTMANAGER_SECTIONS, 'monitors', 'checks', 'tracing', 'event_recorder'];

/** Sections of Alertmanager that have no counterpart here. */
const IGNORED_SECTIONS = ['tracing', 'event_recorder'];

const templateFields = maybe(list(text(LIMITS.seriesName), ''));

export function readConfig(source: string, options: ReadConfigOptions): ReadConfig {
  const { file, externalUrl = null, classicNames = false } = options;
  if (source.length > LIMITS.configText) {
    return refused(file, `has ${source.length} characters, at most ${LIMITS.configText} fit`);
  }
  const reader = new Reader(source, { file, classicNames });
  if (reader.problems.length > 0) return { ok: false, problems: reader.problems };
  warnOfOddValues(reader, reader.sections, []);
  const config = readSections(reader, options.localZone ?? zoneOfThisMachine());
  const templates = readTemplates(reader);
  if (config === undefined || reader.problems.length > 0) {
    return { ok: false, problems: reader.problems };
  }
  const command = { origin: file, source, externalUrl, config };
  const unfit = whyUnfit(command);
  if (unfit !== null) return refused(file, unfit);
  return { ok: true, command, warnings: reader.warnings, summary: summaryOf(config), templates };
}

function readSections(reader: Reader, localZone: string): Config | undefined {
  for (const section of Object.keys(reader.sections)) {
    if (!SECTIONS.includes(section)) reader.unknownKey([], section, SECTIONS);
    if (IGNORED_SECTIONS.includes(section)) reader.warning([section], 'this section is ignored');
  }
  const global = readGlobal(reader);
  const receivers = readReceivers(reader, global);
  const timeIntervals = readIntervals(reader, localZone);
  const route = readRoute(reader, {
    receivers: namesIn(reader, ['receivers']),
    intervals: namesIn(reader, ['time_intervals', 'mute_time_intervals']),
  });
  const config = {
    resolveTimeoutMs: global.resolveTimeoutMs,
    receivers,
    inhibitRules: readInhibitRules(reader),
    timeIntervals,
    checks: readChecks(reader),
    monitors: readMonitors(reader),
  };
  return route === undefined ? undefined : { ...config, route };
}

/**
 * Warns of what Go accepts and users do not mean: items of lists without a value, and variables in URLs,
 * which are not filled in.
 */
function warnOfOddValues(reader: Reader, value: Value, path: Path): void {
  if (value === null) {
    if (typeof path.at(-1) !== 'number') return;
    reader.warning(path, 'an item without a value', 'remove it, or write the value');
  } else if (value instanceof Scalar) {
    const key = path.findLast((step) => typeof step === 'string') ?? '';
    if (!/(^|_)url$/.test(key) || !/\$\{\w*\}/.test(value.text)) return;
    reader.warning(path, 'variables such as ${NAME} are not filled in here', 'write the value');
  } else if (isFields(value)) {
    for (const [key, inner] of Object.entries(value)) {
      warnOfOddValues(reader, inner, [...path, key]);
    }
  } else {
    for (const [i, inner] of value.entries()) warnOfOddValues(reader, inner, [...path, i]);
  }
}

function readTemplates(reader: Reader): readonly TemplatePattern[] {
  const patterns = reader.read(templateFields, reader.sections['templates'], ['templates']) ?? [];
  return patterns.map((pattern, i) => {
    const path = ['templates', i];
    return { pattern, path: pathText(path), ...reader.placeOf(path) };
  });
}

/** Names as they stand in the file, so that a broken receiver is not also called unknown. */
function namesIn(reader: Reader, sections: readonly string[]): readonly string[] {
  return sections.flatMap((section) => {
    const value = reader.sections[section];
    return Array.isArray(value) ? (value as readonly Value[]).flatMap(nameOf) : [];
  });
}

function nameOf(item: Value): readonly string[] {
  const given = isFields(item) ? item['name'] : undefined;
  return given instanceof Scalar ? [given.text] : [];
}

/** Why the command cannot be appended to the log, or null. The limits of the log decide. */
function whyUnfit(command: Omit<ApplyConfig, 'kind'>): string | null {
  try {
    encodeBatch({ at: 0, commands: [{ kind: 'config', ...command }] });
    return null;
  } catch (error) {
    if (error instanceof MalformedCommand) return error.message;
    throw error;
  }
}

function refused(file: string, message: string): ReadConfig {
  return { ok: false, problems: [{ file, line: 1, column: 1, path: '', message, hint: '' }] };
}

function summaryOf(config: Config): string {
  const parts = [
    counted(config.receivers.length, 'receiver'),
    counted(countRoutes(config.route), 'route'),
    counted(config.checks.length, 'check'),
    counted(config.monitors.length, 'monitor'),
    counted(config.inhibitRules.length, 'inhibition rule'),
    counted(config.timeIntervals.length, 'time interval'),
  ];
  return parts.filter((part) => !part.startsWith('0 ')).join(', ');
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

function zoneOfThisMachine(): string {
  return new Intl.DateTimeFormat().resolvedOptions().timeZone;
}
