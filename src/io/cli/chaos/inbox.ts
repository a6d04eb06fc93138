/** A webhook receiver that keeps each notification with the time of its arrival. */

import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { z } from 'zod';
import { ALERT_LABEL } from './config.ts';

/** One request that said that one alert fires. */
export interface ReceivedNotification {
  /** The alert's own value of its label. */
  readonly alert: string;
  readonly key: string;
  /** Whether it says itself that it may have come before. */
  readonly isMarked: boolean;
  /** On the clock of `performance.now()`. */
  readonly atMs: number;
}

const bodySchema = z.object({
  alerts: z.array(z.object({ labels: z.record(z.string(), z.string()) })),
});

export class Inbox {
  readonly notifications: ReceivedNotification[] = [];
  readonly url: string;
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    server.on('request', (request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const { headers } = request;
        this.#take(Buffer.concat(chunks).toString(), {
          key: String(headers['idempotency-key'] ?? ''),
          isMarked: headers['tocsin-possible-duplicate'] === '1',
          atMs: performance.now(),
        });
        response.writeHead(200).end();
      });
    });
  }

  static async listen(): Promise<Inbox> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new Inbox(server);
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  #take(body: string, page: Omit<ReceivedNotification, 'alert'>): void {
    const { alerts } = bodySchema.parse(JSON.parse(body));
    for (const { labels } of alerts)
      this.notifications.push({ ...page, alert: labels[ALERT_LABEL] ?? '' });
  }
}
