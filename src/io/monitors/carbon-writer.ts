/**
 * Sends readings to a carbon listener as plaintext lines over TCP.
 *
 * Promise: it never fails and keeps nothing: readings that cannot be sent are lost, and the next
 * ones try a new connection. It is for samples, of which the next one is always on its way.
 */

import net, { type Socket } from 'node:net';
import type { Clock, Logger } from '../ports.ts';
import type { Reading } from './polling.ts';

export interface CarbonWriterOptions {
  readonly host: string;
  readonly port: number;
}

export interface CarbonWriterModules {
  readonly clock: Clock;
  readonly logger: Logger;
}

export class CarbonWriter {
  readonly #options: CarbonWriterOptions;
  readonly #modules: CarbonWriterModules;
  #socket: Socket | null = null;

  constructor(options: CarbonWriterOptions, modules: CarbonWriterModules) {
    this.#options = options;
    this.#modules = modules;
  }

  write(readings: readonly Reading[]): void {
    const socket = this.#socket ?? this.#connect();
    // A listener that does not read gets no more until it does: waiting lines have a bound.
    if (readings.length === 0 || socket.writableLength > WAITING_BYTES_MAX) return;
    const seconds = Math.floor(this.#modules.clock.now() / 1_000);
    socket.write(readings.map(([name, value]) => `${name} ${value} ${seconds}\n`).join(''));
  }

  close(): void {
    this.#socket?.destroy();
  }

  #connect(): Socket {
    const { host, port } = this.#options;
    const socket = net.connect({ host, port, noDelay: true });
    socket.on('error', ({ message }) =>
      this.#modules.logger.debug('cannot send to carbon; the next sample tries again', { message }),
    );
    socket.on('close', () => {
      if (this.#socket === socket) this.#socket = null;
    });
    // Carbon says nothing, but a socket that is not read does not notice its end.
    socket.resume();
    this.#socket = socket;
    return socket;
  }
}

/** Some thousand lines. */
const WAITING_BYTES_MAX = 64 * 1024;
