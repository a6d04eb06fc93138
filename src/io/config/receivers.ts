/**
 * `receivers`: who is told, and through which integrations.
 *
 * Promise: a webhook is checked to the last key, since it is sent. The other types of Alertmanager
 * are accepted with their settings kept as they stand, and a warning says that nobody is told.
 */

import { posix } from 'node:path';
import type { Integration, Receiver } from '../../commands/config.ts';
import { LIMITS } from '../../commands/limits.ts';
import {
  fields,
  flag,
  goDuration,
  isFields,
  maybe,
  name,
  templatedUrl,
  text,
  url,
  whole,
  exclusive,
  refuse,
} from './fields.ts';
import type { GlobalConfig } from './global.ts';
import { httpConfig, withFilesIn, type HttpConfig } from './http-config.ts';
import { jsonOf, plainOf } from './json.ts';
import type { Path } from './problems.ts';
import type { Reader } from './reader.ts';
import type { Fields, Value } from './yaml.ts';

/** All types that Alertmanager 0.20 to 0.34 knows, with their default for `send_resolved`. */
const TYPES: Readonly<Record<string, boolean>> = {
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
  webhook: true,
  wechat: false,
};

/** Where each type has its URL, as far as Alertmanager checks it. */
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
const KNOWN_KEYS = ['name', 'labels', ...Object.keys(TYPES).map((type) => type + SUFFIX)];

const webhook = fields({
  send_resolved: maybe(flag),
  http_config: maybe(httpConfig),
  url: maybe(templatedUrl),
  url_file: maybe(text(LIMITS.labelValue)),
  max_alerts: maybe(whole(0, Number.MAX_SAFE_INTEGER)),
  timeout: maybe(goDuration),
}).superRefine((given, context) => {
  exclusive(context, given, ['url', 'url_file']);
  if (given.url !== undefined || (given.url_file ?? '') !== '') return;
  refuse(context, [], 'has neither url nor url_file', "add url: 'http://host:8080/path'");
});

/** The settings of a webhook as its sender reads them from {@link Integration.settings}. */
export interface WebhookSettings {
  /** Exactly one of `url` and `url_file` is there. */
  readonly url?: string;
  readonly url_file?: string;
  /** 0 sends all alerts. */
  readonly max_alerts: number;
  /** 0 sets no limit of its own. */
  readonly timeout_ms: number;
  /** As in Alertmanager; `{}` when neither the receiver nor `global` has one. */
  readonly http_config: Partial<HttpConfig>;
}

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
  const integrations = Object.keys(TYPES).flatMap((type) =>
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
  const items = reader.items(value, path);
  if (type !== 'webhook' && items.length > 0) {
    const message = `this build cannot send to ${type}: alerts for it are decided, nobody is told`;
    reader.warning(path, message, 'add a webhook_configs entry to the same receiver');
  }
  return items.flatMap(([item, at], position) => {
    const read =
      type === 'webhook'
        ? readWebhook(reader, item, at, global)
        : readOther(reader, type, item, at);
    if (read === undefined) return [];
    if (read.settings.length > LIMITS.labelValue) {
      reader.problem(at, `its settings take over ${LIMITS.labelValue} characters`);
    }
    const sendResolved = read.sendResolved ?? TYPES[type] ?? true;
    return [{ type, position, sendResolved, settings: read.settings }];
  });
}

interface ReadIntegration {
  readonly sendResolved: boolean | undefined;
  readonly settings: string;
}

function readWebhook(
  reader: Reader,
  value: Value,
  path: Path,
  global: GlobalConfig,
): ReadIntegration | undefined {
  const given = reader.read(webhook, value, path);
  if (given === undefined) return undefined;
  if (given.url?.includes('{{') === true) {
    reader.warning([...path, 'url'], 'this build does not fill in templates in a URL');
  }
  const settings: WebhookSettings = {
    ...(given.url === undefined ? { url_file: given.url_file ?? '' } : { url: given.url }),
    max_alerts: given.max_alerts ?? 0,
    timeout_ms: given.timeout ?? 0,
    http_config: given.http_config ?? global.httpConfig ?? {},
  };
  const folder = posix.dirname(reader.file);
  return { sendResolved: given.send_resolved, settings: jsonOf(withFilesIn(folder, settings)) };
}

/** Only what all types share is read; everything else is kept for a build that knows the type. */
function readOther(
  reader: Reader,
  type: string,
  value: Value,
  path: Path,
): ReadIntegration | undefined {
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
