/**
 * Our own API under `/tocsin/v1`: readings in, and out what no other alerter can say: who was told
 * what and why, who was not, and why not.
 */

import { Hono, type Context, type MiddlewareHandler } from 'hono';
import type { MonitorReport } from '../../ports.ts';
import { onlyMethods, problem, refused } from '../answers.ts';
import type { State } from '../../../projections/state.ts';
import { requireReady } from '../require-ready.ts';
import { configText } from '../config-text.ts';
import { HTTP_LIMITS } from '../limits.ts';
import type { HttpEnv } from '../env.ts';
import { localTimeOf, readingTime, type HttpModules, type HttpOptions } from '../modules.ts';
import { matchersOf } from '../alertmanager/query.ts';
import { ownPages, sameSiteChanges } from '../origins.ts';
import { proposeInTurn } from '../proposals.ts';
import type { ReadLimit } from '../read-limit.ts';
import { readingsBody, refusedBody } from '../request-body.ts';
import { expressionTurn } from '../work-middleware.ts';
import { getAudit } from './audit.ts';
import { backupRoute } from './backup.ts';
import type { EventStreams } from './events.ts';
import type { AlertSelector } from './alert-selector.ts';
import { explain } from './explain.ts';
import { notificationsSince } from './memory.ts';
import { removeMember, transferLeadership } from './members.ts';
import { isStatus, notificationRows, STATUS_WORDS } from './notification-rows.ts';
import { observeCommands, Readings } from './observations.ts';
import { timeOrNull } from './times.ts';

export function tocsinRoutes(
  options: Pick<HttpOptions, 'dataDirectory'>,
  modules: HttpModules,
  events: EventStreams,
  reads: ReadLimit,
): Hono<HttpEnv> {
  const app = new Hono<HttpEnv>();
  app.use(sameSiteChanges);
  app.use(async (c, next) => {
    c.header('Cache-Control', 'no-store');
    await next();
  });
  // What says who leads does not wait for reads that may be long.
  for (const path of ['/notifications', '/explain', '/config', '/audit'])
    app.use(path, reads.limit);
  app.use('/backup', ownPages, withBackupTimeout);
  for (const path of ['/notifications', '/explain', '/config', '/backup', '/audit'])
    app.use(path, requireReady(modules));
  app.post('/observations', (c) => postObservations(c, modules));
  app.get('/status', (c) => c.json(statusJson(modules)));
  const config = configText(modules.redactConfig);
  app.get('/config', (c) => c.json(configJson(modules, config)));
  app.get('/members', (c) => c.json(modules.node.status().members));
  app.delete('/members/:node', (c) => removeMember(c, modules));
  app.post('/leader', (c) => transferLeadership(c, modules));
  app.get('/notifications', (c) => getNotifications(c, modules));
  app.get('/explain', (c) => getExplanation(c, options, modules));
  app.get('/events', (c) => events.open(c));
  app.get('/backup', backupRoute(modules));
  app.get('/audit', (c) => getAudit(c, modules));
  onlyMethods(app, {
    '/observations': 'POST',
    '/status': 'GET',
    '/config': 'GET',
    '/members': 'GET',
    '/members/:node': 'DELETE',
    '/leader': 'POST',
    '/notifications': 'GET',
    '/explain': 'GET',
    '/events': 'GET',
    '/backup': 'GET',
    '/audit': 'GET',
  });
  return app;
}

/** Whoever takes a backup may write it to a slow disk. */
const withBackupTimeout: MiddlewareHandler<HttpEnv> = async (c, next) => {
  c.get('exchange').stallMs = HTTP_LIMITS.backupPatienceMs;
  return next();
};

async function postObservations(c: Context<HttpEnv>, modules: HttpModules): Promise<Response> {
  const { node, counters } = modules;
  const readings = new Readings(modules, (limit) => c.get('work').over(limit));
  const body = await readingsBody(c, {
    json: {
      itemsMax: HTTP_LIMITS.readingsPerRequest,
      bytesPerItem: HTTP_LIMITS.bytesPerReading,
      use: (items, first) => readings.readJson(items, first),
    },
    lines: (lines, first) => readings.readLines(lines, first),
  });
  if (!body.ok) return refusedBody(c, body);
  if (!body.value) return problem(c, 400, 'the body is neither a list nor {"readings": […]}');
  if (readings.problems.count > 0) {
    counters.readingsDropped('refused', readings.count);
    return problem(c, 400, readings.problems.text());
  }
  const late = readings.value.filter(({ isLate }) => isLate).length;
  const count = readings.value.length - late;
  let missing = count;
  const commands = observeCommands(node, readings.value);
  const proposed = await proposeInTurn(node, commands, ({ ids }) => {
    missing -= ids.length;
  });
  if (proposed === null) return problem(c, 400, 'the body has no reading');
  counters.readingsDropped('late', late);
  if (proposed.ok) {
    const { at, index } = proposed;
    return c.json({ index, at, count, ...(late === 0 ? {} : { late }) });
  }
  counters.readingsDropped('not-committed', missing);
  return refused(c, proposed);
}

function statusJson({ monitors, node }: HttpModules): object {
  const { startedAt, ...status } = node.status();
  const { state, at } = node.view();
  return {
    ...status,
    ready: node.ready(),
    startedAt: timeOrNull(startedAt),
    appliedAt: timeOrNull(at),
    configIndex: state.config?.index ?? null,
    monitors: monitors().map(monitorJson),
    tables: {
      series: state.facts.seriesCount,
      alerts: state.alerts.size,
      groups: state.groups.size,
      silences: state.silences.size,
      notifications: state.notifications.size,
    },
  };
}

function monitorJson({ dropped, ...report }: MonitorReport): object {
  return { ...report, dropped: dropped.map((each) => ({ ...each, at: timeOrNull(each.at) })) };
}

/** The configuration that the log has applied, as it was written, without its secrets. */
function configJson({ node }: HttpModules, text: (state: State) => string): object {
  const { state } = node.view();
  return {
    index: state.config?.index ?? null,
    origin: state.config?.command.origin ?? null,
    original: text(state),
  };
}

const LIMIT_DEFAULT = 100;

function getNotifications(c: Context<HttpEnv>, { node }: HttpModules): Response {
  const wanted = (c.req.queries('status') ?? []).flatMap((text) => text.split(','));
  const statuses = wanted.filter(isStatus);
  if (statuses.length < wanted.length) return problem(c, 400, `status is one of ${STATUS_WORDS}`);
  const limit = Number(c.req.query('limit') ?? LIMIT_DEFAULT);
  if (!Number.isInteger(limit) || limit < 1 || limit > HTTP_LIMITS.notificationsListed) {
    return problem(c, 400, `limit is a number from 1 to ${HTTP_LIMITS.notificationsListed}`);
  }
  const view = node.view();
  // The body is a list, which has no room to say that those that ended earlier are forgotten.
  c.header('Tocsin-Known-Since', notificationsSince(readingTime(node)) ?? undefined);
  return c.json(notificationRows(view.state, statuses, limit));
}

const FINGERPRINT = /^[0-9a-f]{16}$/;

/** An empty answer has status 200, too: it is what is known, and says what is not. */
async function getExplanation(
  c: Context<HttpEnv>,
  { dataDirectory }: Pick<HttpOptions, 'dataDirectory'>,
  modules: HttpModules,
): Promise<Response> {
  const asked = await expressionTurn(c, () => readSelector(c.req.query('alert') ?? '', modules));
  if (!asked.ok) return problem(c, 400, asked.message);
  const view = modules.node.view();
  const now = readingTime(modules.node);
  const { index, term, state } = view;
  const localTimeIn = localTimeOf(modules);
  return c.json({
    index,
    term,
    now: timeOrNull(now),
    ...explain({ state, now, localTimeIn }, asked.value, dataDirectory),
  });
}

function readSelector(
  text: string,
  modules: HttpModules,
):
  | { readonly ok: true; readonly value: AlertSelector }
  | { readonly ok: false; readonly message: string } {
  if (FINGERPRINT.test(text)) return { ok: true, value: { fingerprint: text } };
  if (text === '') {
    return { ok: false, message: 'alert=… is missing: give a fingerprint or matchers' };
  }
  const matchers = matchersOf(text, modules);
  return matchers.ok ? { ok: true, value: { matchers: matchers.value } } : matchers;
}
