/**
 * `GET backup`: the state of this node at one index as one file, for `tocsin backup`.
 *
 * Promise: a few pages are encoded at a time, and only as fast as the client reads; one backup runs at
 * a time, and a client that stops reading is cut off. The file holds the secrets of the configuration,
 * so it is given to this machine only, and to nobody behind a proxy.
 */

import { ReadableStream } from 'node:stream/web';
import type { Context } from 'hono';
import { problem } from '../answers.ts';
import { HTTP_LIMITS } from '../limits.ts';
import type { HttpEnv } from '../env.ts';
import type { HttpModules } from '../modules.ts';

const PROXY_HEADERS = ['forwarded', 'x-forwarded-for', 'via'] as const;

/** The route; it counts the backups of one server. */
export function backupRoute(modules: HttpModules): (c: Context<HttpEnv>) => Response {
  let isRunning = false;
  return (c) => {
    if (!isFromHere(c)) {
      const message =
        'a backup holds the secrets of the configuration: run `tocsin backup` on the machine of the ' +
        'member, with --url http://127.0.0.1:PORT';
      return problem(c, 403, message);
    }
    if (isRunning) {
      c.header('Retry-After', '10');
      return problem(c, 503, 'another backup of this node is running');
    }
    c.header('Content-Type', 'application/octet-stream');
    if (c.req.method === 'HEAD') return c.body(null, 200);
    isRunning = true;
    const stream = streamOf(modules, () => {
      isRunning = false;
    });
    // A cluster that has lost its majority gives a backup all the same, and can record nothing.
    const { nodeId: subject, name: detail } = modules.node.status();
    modules.node.record({ action: 'backup', subject, detail, actor: c.get('actor') });
    return c.body(stream as globalThis.ReadableStream);
  };
}

function isFromHere(c: Context<HttpEnv>): boolean {
  const address = c.env.incoming.socket.remoteAddress ?? '';
  const isLoopback = /^(?:::ffff:)?127\.|^::1$/.test(address);
  return isLoopback && PROXY_HEADERS.every((name) => c.req.header(name) === undefined);
}

function streamOf(
  { backup, clock, node }: HttpModules,
  onEnd: () => void,
): ReadableStream<Uint8Array> {
  const parts = backup(node.view(), node.status().clusterId);
  let cancelPatience: () => void = () => undefined;
  const end = (): void => {
    cancelPatience();
    onEnd();
  };
  return new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        cancelPatience();
        const slice = nextSlice(parts);
        if (slice === null) {
          end();
          controller.close();
          return;
        }
        controller.enqueue(slice);
        cancelPatience = clock.after(HTTP_LIMITS.backupPatienceMs, () => {
          onEnd();
          controller.error(new Error('the client of a backup has stopped reading'));
        });
      },
      cancel: end,
    },
    { highWaterMark: 1 },
  );
}

/** Small pages go together; null at the end. */
function nextSlice(parts: Iterator<Uint8Array>): Uint8Array | null {
  const slice: Uint8Array[] = [];
  let bytes = 0;
  while (bytes < HTTP_LIMITS.backupSliceBytes) {
    const next = parts.next();
    if (next.done === true) break;
    slice.push(next.value);
    bytes += next.value.length;
  }
  return slice.length === 0 ? null : Buffer.concat(slice, bytes);
}
