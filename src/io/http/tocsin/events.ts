/**
 * `GET events`: server-sent events, one for each applied log entry with its index as `id:`.
 *
 * Promise: a slow client costs a bounded queue and is then sent away; a quiet stream shows a
 * heartbeat; all streams end when the server closes, and that of a client whose credentials are taken away
 * with them. An event says *that* something was applied;
 * what, is read from the other routes.
 */

import { ReadableStream, type ReadableStreamDefaultController } from 'node:stream/web';
import type { Context } from 'hono';
import type { View } from '../../ports.ts';
import { problem } from '../answers.ts';
import { HTTP_LIMITS } from '../limits.ts';
import type { HttpEnv } from '../env.ts';
import type { HttpModules } from '../modules.ts';

export class EventStreams {
  readonly #modules: Pick<HttpModules, 'node' | 'clock'>;
  /** What ends each stream, and whether its client may still follow. */
  readonly #closers = new Map<() => void, () => boolean>();

  constructor(modules: Pick<HttpModules, 'node' | 'clock'>) {
    this.#modules = modules;
  }

  open(c: Context<HttpEnv>): Response {
    if (this.#closers.size >= HTTP_LIMITS.eventClients) {
      return problem(c, 503, `${HTTP_LIMITS.eventClients} clients are listening already`);
    }
    c.header('Content-Type', 'text/event-stream');
    c.header('Cache-Control', 'no-store');
    c.header('X-Accel-Buffering', 'no');
    if (c.req.method === 'HEAD') return c.body(null, 200);
    return c.body(this.#stream(c.get('mayStay')) as globalThis.ReadableStream);
  }

  /** Ends all streams. */
  close(): void {
    for (const close of this.#closers.keys()) close();
  }

  /** Ends the streams of those who may follow no longer: a stream outlasts its request. */
  closeRevoked(): void {
    for (const [close, mayStay] of this.#closers) if (!mayStay()) close();
  }

  #stream(mayStay: () => boolean): ReadableStream<Uint8Array> {
    let close: () => void = () => {};
    return new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          close = this.#attach(controller, mayStay);
        },
        cancel: () => close(),
      },
      { highWaterMark: HTTP_LIMITS.eventsPerClient },
    );
  }

  /** Feeds one client until it, or we, have had enough. */
  #attach(
    controller: ReadableStreamDefaultController<Uint8Array>,
    mayStay: () => boolean,
  ): () => void {
    const { node, clock } = this.#modules;
    let cancelHeartbeat: () => void = () => {};
    const close = (): void => {
      if (!this.#closers.delete(close)) return;
      cancelHeartbeat();
      stopListening();
      try {
        controller.close();
      } catch {
        // The client has gone first.
      }
    };
    const send = (text: string): void => {
      if ((controller.desiredSize ?? 0) <= 0) return close();
      controller.enqueue(utf8.encode(text));
    };
    const beat = (): void => {
      cancelHeartbeat = clock.after(HTTP_LIMITS.heartbeatMs, () => {
        send(': still here\n\n');
        if (this.#closers.has(close)) beat();
      });
    };
    const stopListening = node.onApplied((view) => send(eventText(view)));
    this.#closers.set(close, mayStay);
    send(`retry: 2000\n${eventText(node.view())}`);
    beat();
    return close;
  }
}

const utf8 = new TextEncoder();

function eventText({ index, term, at, state }: View): string {
  const { alerts, groups, silences, notifications } = state;
  const sizes = {
    alerts: alerts.size,
    groups: groups.size,
    silences: silences.size,
    notifications: notifications.size,
  };
  const data = JSON.stringify({ index, term, at, ...sizes });
  return `id: ${index}\nevent: applied\ndata: ${data}\n\n`;
}
