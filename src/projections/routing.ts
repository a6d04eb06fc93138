/**
 * The route tree at work: which routes an alert takes, and the group it falls into on each.
 *
 * Promise: depth first, a matching child ends the search unless it says `continue`, and an alert
 * that no child wants stays with the parent; group keys are written as Alertmanager writes them.
 */

import type { Config, Integration, Receiver, Route } from '../commands/config.ts';
import {
  fingerprint,
  labelPairs,
  labelsFrom,
  labelsText,
  type Labels,
} from '../commands/labels.ts';
import { LIMITS } from '../commands/limits.ts';
import { matcherText } from '../commands/matchers.ts';
import { matchesAll } from './matching.ts';

export interface RouteNode {
  /** Its place in the tree, depth first; the root is 0. */
  readonly index: number;
  /** The matchers from the root down to here: `{}/{team="x"}`. */
  readonly key: string;
  readonly route: Route;
  readonly children: readonly RouteNode[];
}

export interface Routing {
  readonly root: RouteNode;
  /** All nodes; the place of each is its index. */
  readonly nodes: readonly RouteNode[];
  readonly receivers: ReadonlyMap<string, Receiver>;
}

const routings = new WeakMap<Config, Routing>();

/** The routing of a configuration, made once for each configuration object. */
export function routingOf(config: Config): Routing {
  const known = routings.get(config);
  if (known !== undefined) return known;
  const nodes: RouteNode[] = [];
  const root = nodeOf(config.route, '', nodes);
  const receivers = new Map(config.receivers.map((receiver) => [receiver.name, receiver]));
  const routing = { root, nodes, receivers };
  routings.set(config, routing);
  return routing;
}

function nodeOf(route: Route, parentKey: string, nodes: RouteNode[]): RouteNode {
  const own = `{${route.matchers.map(matcherText).sort().join(',')}}`;
  const key = parentKey === '' ? own : `${parentKey}/${own}`;
  const index = nodes.length;
  const children: RouteNode[] = [];
  const node: RouteNode = { index, key, route, children };
  nodes.push(node);
  for (const child of route.routes) children.push(nodeOf(child, key, nodes));
  return node;
}

/** The routes that an alert with these labels takes, at least one. */
export function routesOf(routing: Routing, labels: Labels): readonly RouteNode[] {
  const found: RouteNode[] = [];
  collect(routing.root, labels, found);
  return found;
}

/** Adds the routes of a subtree; answers whether its top matched. */
function collect(node: RouteNode, labels: Labels, found: RouteNode[]): boolean {
  if (!matchesAll(node.route.matchers, labels)) return false;
  const before = found.length;
  for (const child of node.children) {
    if (collect(child, labels, found) && !child.route.continue) break;
  }
  if (found.length === before) found.push(node);
  return true;
}

export interface GroupIdentity {
  /** The key of its row: unique, even where two routes have equal matchers. */
  readonly key: string;
  /** The key that receivers see. */
  readonly text: string;
  readonly labels: Labels;
}

export function groupOf(node: RouteNode, labels: Labels): GroupIdentity {
  const { groupBy, groupByAll } = node.route;
  const own = groupByAll
    ? labels
    : labelsFrom([...labelPairs(labels)].filter(([name]) => groupBy.includes(name)));
  const text = `${node.key}:${labelsText(own)}`;
  return { key: rowKey(`${node.index} ${text}`, own), text, labels: own };
}

/** Labels may be of any length and a decision names its group, so a long key is cut. */
function rowKey(whole: string, labels: Labels): string {
  if (whole.length <= LIMITS.groupKey) return whole;
  const suffix = `… ${fingerprint(labels)}`;
  return whole.slice(0, LIMITS.groupKey - suffix.length).toWellFormed() + suffix;
}

export function integrationsOf(routing: Routing, receiver: string): readonly Integration[] {
  return routing.receivers.get(receiver)?.integrations ?? [];
}
