/**
 * The few calls to etcd that discovery makes, over the client `etcd3`.
 *
 * Promise: every call ends within a bound that is set here, with an answer or an error. A call that
 * failed may have been carried out all the same, so each of them may be repeated.
 * Boundary: the only file that knows `etcd3`. Of that we use single requests only: its leases and
 * watches repair themselves in the background, late and more than once, and keep the process alive.
 */

import type { Etcd3 } from 'etcd3';
import type { Clock } from '../ports.ts';
import { readTrustedRoots } from './trusted-roots.ts';
import type { EtcdSettings, Refused } from './settings.ts';
import { within } from './within.ts';

export interface EtcdCalls {
  read(key: string): Promise<string | null>;
  /** Entries whose keys begin with `prefix`, sorted by key, and at most so many. */
  list(prefix: string, countMax: number): Promise<readonly Entry[]>;
  /**
   * Writes `value` if the key has the value `expected` now (null: if there is no such key).
   * `found` is what it has in the end.
   */
  replace(key: string, expected: string | null, value: string): Promise<Replaced>;
  /** A new lease. Etcd may round its time up. */
  grant(seconds: number): Promise<string>;
  /** Rejects when the lease has run out, too. */
  renew(lease: string): Promise<void>;
  /** Makes sure that the key has this value and goes when this lease does; writes only if not so. */
  keep(key: string, value: string, lease: string): Promise<void>;
  /** Ends the lease, and with it what was kept under it. */
  revoke(lease: string): Promise<void>;
  close(): void;
}

export interface Entry {
  readonly key: string;
  readonly value: string;
}

export interface Replaced {
  readonly done: boolean;
  readonly found: string | null;
}

/** How long one member of etcd may take to answer: many round trips and disk syncs. */
const ANSWER_MS_MAX = 1_500;

/** A member of etcd that came back is tried again after so long; gRPC itself would wait minutes. */
const RECONNECT_MS = { least: 100, most: 1_000 };

/** Opens the client; connections are made when they are needed. */
export async function openEtcdCalls(
  settings: EtcdSettings,
  clock: Clock,
): Promise<{ readonly ok: true; readonly calls: EtcdCalls } | Refused> {
  const isSecure = settings.hosts.some((host) => host.startsWith('https:'));
  const roots = isSecure ? await readTrustedRoots() : null;
  if (roots !== null && !roots.ok) return roots;
  const client = await openClient(settings, roots?.pem ?? null);
  return { ok: true, calls: callsOver(client, settings, clock) };
}

function callsOver(client: Etcd3, settings: EtcdSettings, clock: Clock): EtcdCalls {
  // Each member has its own deadline. This one is for the day on which the client forgets a call.
  const limitMs = ANSWER_MS_MAX * (settings.hosts.length + 1);
  const ask = <T>(call: () => Promise<T>): Promise<T> => within(call(), limitMs, clock);
  return {
    // Any member of etcd may answer, so that addresses are there also while etcd has no majority.
    list: (prefix, countMax) =>
      ask(async () => {
        const range = client.getAll().prefix(prefix).limit(countMax).serializable(true);
        const { kvs } = await range.exec();
        return kvs.map(({ key, value }) => ({ key: key.toString(), value: value.toString() }));
      }),
    read: (key) => ask(() => client.get(key).string()),
    replace: (key, expected, value) => ask(() => replace(client, key, expected, value)),
    grant: (seconds) => ask(async () => (await client.leaseClient.leaseGrant({ TTL: seconds })).ID),
    renew: (lease) => ask(() => renew(client, lease)),
    keep: (key, value, lease) => ask(() => keep(client, key, value, lease)),
    revoke: (lease) => ask(async () => void (await client.leaseClient.leaseRevoke({ ID: lease }))),
    close: () => client.close(),
  };
}

/** Loads the client only here: it takes 150 ms and 26 MB that a node without etcd has no use for. */
async function openClient({ hosts, auth }: EtcdSettings, roots: Buffer | null): Promise<Etcd3> {
  const { Etcd3, isRecoverableError } = await import('etcd3');
  const { ConstantBackoff, handleWhen, noop, retry } = await import('cockatiel');
  return new Etcd3({
    hosts: [...hosts],
    ...(auth === null ? {} : { auth: { ...auth } }),
    ...(roots === null ? {} : { credentials: { rootCertificate: roots } }),
    // gRPC compares deadlines with the clock of the machine, whatever clock we are given.
    defaultCallOptions: ({ isStream }) => (isStream ? {} : deadline()),
    faultHandling: {
      // Whoever calls comes again by itself, so no member is given up for a time.
      host: () => noop,
      global: retry(handleWhen(isRecoverableError), {
        maxAttempts: hosts.length - 1,
        backoff: new ConstantBackoff(0),
      }),
    },
    grpcOptions: {
      // Back-off is remembered beside a connection, so connections are not shared with others.
      'grpc.use_local_subchannel_pool': 1,
      'grpc.initial_reconnect_backoff_ms': RECONNECT_MS.least,
      'grpc.max_reconnect_backoff_ms': RECONNECT_MS.most,
      // An `http_proxy` of the environment is for the web, and not for the machine next door.
      'grpc.enable_http_proxy': 0,
    },
  });
}

function deadline(): { readonly deadline: number } {
  return { deadline: Date.now() + ANSWER_MS_MAX };
}

async function replace(
  client: Etcd3,
  key: string,
  expected: string | null,
  value: string,
): Promise<Replaced> {
  const condition =
    expected === null ? client.if(key, 'Create', '==', 0) : client.if(key, 'Value', '==', expected);
  const { succeeded, responses } = await condition
    .then(client.put(key).value(value))
    .else(client.get(key))
    .commit();
  if (succeeded) return { done: true, found: value };
  const [there] = responses[0]?.response_range.kvs ?? [];
  return { done: false, found: there?.value.toString() ?? null };
}

async function keep(client: Etcd3, key: string, value: string, lease: string): Promise<void> {
  await client
    .if(key, 'Value', '==', value)
    .and(key, 'Lease', '==', lease)
    .else(client.put(key).value(value).lease(lease))
    .commit();
}

/** One question and one answer on a stream of their own: etcd renews leases in no other way. */
async function renew(client: Etcd3, lease: string): Promise<void> {
  const stream = await client.leaseClient.leaseKeepAlive(deadline());
  try {
    const { TTL } = await new Promise<{ TTL: string }>((resolve, reject) => {
      stream.on('data', resolve);
      stream.on('error', reject);
      stream.on('end', () => reject(new Error('etcd ended the stream')));
      stream.write({ ID: lease });
    });
    // So etcd says that it does not know the lease (any more).
    if (TTL === '0') throw new Error('the lease has run out');
  } finally {
    stream.end();
  }
}
