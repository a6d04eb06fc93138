/**
 * Alertmanager's API v2, so that Prometheus, amtool, Grafana and karma work unmodified.
 *
 * Promise: a 200 to a change means that it is committed and applied here, so the next GET on this
 * node shows it. The answers follow Alertmanager's OpenAPI file.
 */

import { Hono, type Context } from 'hono';
import { LIMITS } from '../../../commands/limits.ts';
import type { Command } from '../../../commands/command.ts';
import { readsEmptyAnnotations } from '../../../projections/reducers.ts';
import { EXPIRED_KEEP_MS, silenceStatus } from '../../../projections/silences.ts';
import type { State } from '../../../projections/state.ts';
import { get } from '../../../projections/table.ts';
import { jsonList, onlyMethods, problem, refused } from '../answers.ts';
import { requireReady } from '../require-ready.ts';
import { configText } from '../config-text.ts';
import { HTTP_LIMITS, type LimitName } from '../limits.ts';
import type { HttpEnv } from '../env.ts';
import {
  clientTime,
  localTimeOf,
  readingTime,
  type HttpModules,
  type HttpOptions,
} from '../modules.ts';
import { sameSiteChanges, cors } from '../origins.ts';
import { proposeInTurn } from '../proposals.ts';
import type { ReadLimit } from '../read-limit.ts';
import { jsonBody, listBody, refusedBody } from '../request-body.ts';
import { expressionTurn } from '../work-middleware.ts';
import { alertRows, groupRows } from './alert-rows.ts';
import type { StateAtTime } from '../../../projections/suppressors/suppressor.ts';
import { PostedAlerts, pushCommands } from './posted-alerts.ts';
import { readPostedSilence } from './posted-silence.ts';
import { QueryText } from './query-text.ts';
import { alertQuery, filtersOf, switchesOf } from './query.ts';
import { silenceJson, silenceRows } from './silence-rows.ts';
import { alertmanagerTime } from './times.ts';

export function alertmanagerRoutes(
  options: HttpOptions,
  modules: HttpModules,
  reads: ReadLimit,
): Hono<HttpEnv> {
  const app = new Hono<HttpEnv>();
  app.use(cors);
  app.use(sameSiteChanges);
  app.use(reads.limit);
  app.use(async (c, next) => {
    c.header('Cache-Control', 'no-store');
    await next();
  });
  for (const path of ['/alerts/*', '/silences', '/silence/*']) app.use(path, requireReady(modules));
  const original = configText(modules.alertmanagerConfig);
  app.get('/status', (c) => c.json(statusJson(options, modules, original)));
  app.get('/receivers', (c) => {
    const receivers = modules.node.view().state.config?.command.config.receivers ?? [];
    return c.json(receivers.map(({ name }) => ({ name })));
  });
  app.get('/alerts', async (c) => {
    const query = await expressionTurn(c, () => alertQuery(c, modules));
    if (!query.ok) return problem(c, 400, query.message);
    return jsonList(c, alertRows(stateAtTime(modules), query.value));
  });
  app.get('/alerts/groups', async (c) => {
    const query = await expressionTurn(c, () => alertQuery(c, modules));
    if (!query.ok) return problem(c, 400, query.message);
    return jsonList(c, groupRows(stateAtTime(modules), query.value));
  });
  app.post('/alerts', (c) => postAlerts(c, options, modules));
  app.get('/silences', (c) => getSilences(c, modules));
  app.post('/silences', (c) => postSilence(c, options, modules));
  app.get('/silence/:id', (c) => getSilence(c, modules));
  app.delete('/silence/:id', (c) => deleteSilence(c, modules));
  onlyMethods(app, {
    '/status': 'GET',
    '/receivers': 'GET',
    '/alerts': 'GET, POST',
    '/alerts/groups': 'GET',
    '/silences': 'GET, POST',
    '/silence/:id': 'GET, DELETE',
  });
  return app;
}

/** The routes of API v1, which Alertmanager has taken away. */
export function removedRoutes(): Hono<HttpEnv> {
  const app = new Hono<HttpEnv>();
  app.all('*', (c) => problem(c, 410, 'API v1 was removed from Alertmanager: use /api/v2'));
  return app;
}

function stateAtTime(modules: HttpModules): StateAtTime {
  const { node } = modules;
  const view = node.view();
  return { state: view.state, now: readingTime(node), localTimeIn: localTimeOf(modules) };
}

function statusJson(
  { version, revision }: HttpOptions,
  { node }: HttpModules,
  original: (state: State) => string,
) {
  const status = node.status();
  return {
    cluster: {
      name: status.name,
      peers: status.members.map(({ name, peerAddress }) => ({ address: peerAddress, name })),
      status: node.ready() ? 'ready' : 'settling',
    },
    config: { original: original(node.view().state) },
    uptime: alertmanagerTime(status.startedAt),
    versionInfo: {
      branch: '',
      buildDate: '',
      buildUser: '',
      goVersion: '',
      revision,
      version,
    },
  };
}

async function postAlerts(
  c: Context<HttpEnv>,
  { classicNames }: HttpOptions,
  { node, counters }: HttpModules,
): Promise<Response> {
  const view = node.view();
  const resolveTimeoutMs = view.state.config?.command.config.resolveTimeoutMs ?? 5 * 60_000;
  const now = clientTime(node);
  const posted = new PostedAlerts({
    classicNames,
    keepsEmptyAnnotations: readsEmptyAnnotations(view.state),
    now,
    resolveTimeoutMs,
    over: (limit) => c.get('work').over(limit),
  });
  const body = await listBody(c, {
    itemsMax: HTTP_LIMITS.alertsPerRequest,
    bytesPerItem: HTTP_LIMITS.bytesPerAlert,
    use: (items, first) => posted.read(items, first),
  });
  if (!body.ok) return refusedBody(c, body);
  if (!body.value) return problem(c, 400, 'the body is not a list of alerts');
  const { alerts, problems } = posted;
  counters.alertsReceived(alerts.length);
  counters.alertsInvalid(problems.count);
  const proposed = await proposeInTurn(node, pushCommands(sourceOf(c), alerts));
  if (proposed?.ok === false) return refused(c, proposed);
  if (problems.count > 0) return problem(c, 400, problems.text());
  return c.body(null, 200);
}

/** The program that pushed, or its address. */
function sourceOf(c: Context<HttpEnv>): string {
  const [program = ''] = (c.req.header('user-agent') ?? '').split(' ');
  const source = program === '' ? c.get('clientAddress') : program;
  return source.slice(0, LIMITS.name).toWellFormed();
}

async function getSilences(c: Context<HttpEnv>, modules: HttpModules): Promise<Response> {
  const query = new QueryText(c.req.url);
  const matchers = await expressionTurn(c, () => filtersOf(query, modules));
  if (!matchers.ok) return problem(c, 400, matchers.message);
  const shows = switchesOf(query, ['active', 'pending', 'expired']);
  const { state, now } = stateAtTime(modules);
  return jsonList(c, silenceRows(state, now, { matchers: matchers.value, shows }));
}

async function postSilence(
  c: Context<HttpEnv>,
  { classicNames }: HttpOptions,
  { node, random }: HttpModules,
): Promise<Response> {
  const body = await jsonBody(c);
  if (!body.ok) return refusedBody(c, body);
  const now = clientTime(node);
  const view = node.view();
  const keepsEmptyAnnotations = readsEmptyAnnotations(view.state);
  const rules = {
    classicNames,
    keepsEmptyAnnotations,
    now,
    over: (limit: LimitName) => c.get('work').over(limit),
  };
  const silence = await expressionTurn(c, () => readPostedSilence(body.value, rules));
  if (!silence.ok) return problem(c, 400, silence.message);
  const { id } = silence.value;
  if (id !== '' && get(view.state.silences, id) === undefined) return noSilence(c, id);
  const freshId = random.uuid();
  const actor = c.get('actor');
  const command: Command = { kind: 'silence', ...silence.value, freshId, actor };
  const proposed = await node.propose([command]);
  if (!proposed.ok) return refused(c, proposed);
  // The fold decided whether the silence was edited in place or replaced.
  const { silences } = node.view().state;
  const silenceID = [freshId, id].find((each) => get(silences, each) !== undefined);
  return silenceID === undefined ? noSilence(c, id) : c.json({ silenceID });
}

function getSilence(c: Context<HttpEnv>, { node }: HttpModules): Response {
  const id = c.req.param('id') ?? '';
  const view = node.view();
  const silence = get(view.state.silences, id);
  return silence === undefined
    ? noSilence(c, id)
    : c.json(silenceJson(id, silence, readingTime(node)));
}

async function deleteSilence(c: Context<HttpEnv>, { node }: HttpModules): Promise<Response> {
  const id = c.req.param('id') ?? '';
  const view = node.view();
  const silence = get(view.state.silences, id);
  if (silence === undefined) return noSilence(c, id);
  if (silenceStatus(silence, readingTime(node)) === 'expired') return c.body(null, 200);
  const proposed = await node.propose([{ kind: 'expireSilence', id, actor: c.get('actor') }]);
  return proposed.ok ? c.body(null, 200) : refused(c, proposed);
}

function noSilence(c: Context<HttpEnv>, id: string): Response {
  const hours = EXPIRED_KEEP_MS / 3_600_000;
  return problem(c, 404, `silence ${id} not found: one is forgotten ${hours} hours after its end`);
}
