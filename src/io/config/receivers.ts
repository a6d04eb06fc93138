/**
 * `receivers`: who is notified, and through which integrations.
 *
 * Promise: every key of a type that this build sends is checked. The other types of Alertmanager
 * are accepted with their settings kept as they are, and a warning states that nobody is notified.
 */

import { posix } from 'node:path';
import type { Integration, Receiver } from '../../commands/config.ts';
import { LIMITS } from '../../commands/limits.ts';
import type { IntegrationSchema } from '../notify/integration.ts';
import { INTEGRATIONS } from '../notify/registry.ts';
import { flag, isFields, maybe, name, url } from './fields.ts';
import type { GlobalConfig } from './global.ts';
import { withFilesIn } from './http-config.ts';
import { jsonOf, plainOf } from './json.ts';
import type { Path } from './problems.ts';
import type { Reader } from './reader.ts';
import type { Fields, Value } from './yaml.ts';

/**
 * The types of Alertmanager 0.20 to 0.34 that this build cannot send, with their default for
 * `send_resolved`.
 */
export const UNSUPPORTED: Readonly<Record<string, boolean>> = {
  discord: true,
  email: false,
  incidentio: true,
  jira: true,
  mattermost: true,
  msteams: true,
  msteamsv2: true,
  opsgenie: true,
  pagerduty: true,
  pushover: true,
  rocketchat: false,
  slack: false,
  sns: true,
  telegram: true,
  victorops: true,
  webex: true,
  wechat: false,
};

/** The key of the URL of each of these types, as far as Alertmanager checks it. */
const URL_KEYS: Readonly<Record<string, string>> = {
  discord: 'webhook_url',
  incidentio: 'url',
  jira: 'api_url',
  mattermost: 'webhook_url',
  msteams: 'webhook_url',
  msteamsv2: 'webhook_url',
  opsgenie: 'api_url',
  pagerduty: 'url',
  rocketchat: 'api_url',
  slack: 'api_url',
  telegram: 'api_url',
  victorops: 'api_url',
  webex: 'api_url',
  wechat: 'api_url',
};

const SUFFIX = '_configs';
const SUPPORTED = new Map(INTEGRATIONS.map(({ schema }) => [schema.type, schema]));

/** In alphabetical order, which is the order of a receiver's integrations in the log. */
const TYPES = [...SUPPORTED.keys(), ...Object.keys(UNSUPPORTED)].toSorted();
const KNOWN_KEYS = ['name', 'labels', ...TYPES.map((type) => type + SUFFIX)];

export function readReceivers(reader: Reader, global: GlobalConfig): readonly Receiver[] {
  const receivers: Receiver[] = [];
  const placeByName = new Map<string, Path>();
  for (const [value, path] of reader.items(reader.sections['receivers'], ['receivers'])) {
    if (!isFields(value)) {
      reader.problem(path, 'must be a map with a name');
      continue;
    }
    const receiver = readReceiver(reader, value, path, global);
    const other = placeByName.get(receiver.name);
    if (other !== undefined) {
      const message = `a receiver "${receiver.name}" stands on line ${reader.placeOf(other).line} already`;
      reader.problem([...path, 'name'], message, 'names are unique: merge the two or rename one');
    } else if (receiver.name !== '') {
      placeByName.set(receiver.name, [...path, 'name']);
    }
    receivers.push(receiver);
  }
  return receivers;
}

function readReceiver(reader: Reader, value: Fields, path: Path, global: GlobalConfig): Receiver {
  for (const key of Object.keys(value)) {
    if (!KNOWN_KEYS.includes(key)) reader.unknownKey(path, key, KNOWN_KEYS);
  }
  const receiverName = reader.read(name(LIMITS.name), value['name'], [...path, 'name']) ?? '';
  if (value['labels'] !== undefined && value['labels'] !== null) {
    reader.read(reader.labels.labels, value['labels'], [...path, 'labels']);
    reader.warning([...path, 'labels'], 'labels of receivers are not used by this build');
  }
  const integrations = TYPES.flatMap((type) =>
    readIntegrations(reader, type, value[type + SUFFIX], [...path, type + SUFFIX], global),
  );
  return { name: receiverName, integrations };
}

function readIntegrations(
  reader: Reader,
  type: string,
  value: Value | undefined,
  path: Path,
  global: GlobalConfig,
): Integration[] {
  const schema = SUPPORTED.get(type);
  const items = reader.items(value, path);
  if (schema === undefined && items.length > 0) {
    const message = `this build cannot send to ${type}: alerts for it are decided, and nobody is notified`;
    reader.warning(path, message, 'add a webhook_configs entry to the same receiver');
  }
  return items.flatMap(([item, at], position) => {
    const read =
      schema === undefined
        ? readUnsupported(reader, type, item, at)
        : readSupported(reader, schema, item, at, global);
    if (read === undefined) return [];
    if (read.settings.length > LIMITS.labelValue) {
      reader.problem(at, `its settings take over ${LIMITS.labelValue} characters`);
    }
    const sendResolved = read.sendResolved ?? schema?.sendResolved ?? UNSUPPORTED[type] ?? true;
    return [{ type, position, sendResolved, settings: read.settings }];
  });
}

interface StoredIntegration {
  readonly sendResolved: boolean | undefined;
  readonly settings: string;
}

function readSupported(
  reader: Reader,
  schema: IntegrationSchema<unknown>,
  value: Value,
  path: Path,
  { httpConfig }: GlobalConfig,
): StoredIntegration | undefined {
  const read = reader.read(schema.item, value, path);
  if (read === undefined) return undefined;
  for (const { key, message } of read.warnings) reader.warning([...path, key], message);
  const settings = withFilesIn(posix.dirname(reader.file), read.settings({ httpConfig }));
  return { sendResolved: read.sendResolved, settings: jsonOf(settings) };
}

/** Only what all types share is read; everything else is kept for a build that sends the type. */
function readUnsupported(
  reader: Reader,
  type: string,
  value: Value,
  path: Path,
): StoredIntegration | undefined {
  if (!isFields(value)) {
    reader.problem(path, 'must be a map (key: value)');
    return undefined;
  }
  const { send_resolved: sendResolved, ...rest } = value;
  const urlKey = URL_KEYS[type];
  if (urlKey !== undefined) reader.read(maybe(url), value[urlKey], [...path, urlKey]);
  return {
    sendResolved: reader.read(maybe(flag), sendResolved, [...path, 'send_resolved']),
    settings: jsonOf(plainOf(rest)),
  };
}
