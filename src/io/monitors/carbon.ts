/**
 * Listens for carbon's plaintext protocol, over TCP and UDP on one address.
 *
 * Promise: no sender can take more than a line's memory or hold a connection it does not use, and
 * none is answered or slowed down: what the node cannot take is dropped and counted. It knows
 * nothing of lines, which {@link CarbonLines} reads.
 */

import dgram, { type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import net, { type Server, type Socket } from 'node:net';
import type { Clock, Ingest, Logger } from '../ports.ts';
import {
  CARBON,
  CarbonLines,
  type CarbonLinesModules,
  type CarbonLinesOptions,
} from './carbon-lines.ts';
import type { IngestCounters } from './ingest-counters.ts';
import { ReadingBatch } from './reading-batch.ts';
import { SeriesTable } from './series-table.ts';

export interface CarbonOptions {
  readonly host: string;
  /** 0 picks a port that is free for both TCP and UDP. */
  readonly port: number;
  /** Senders at one time; each costs a file and at most 8 KiB. */
  readonly connectionsMax?: number;
  /** After this long without a byte a connection is closed. Senders connect again by themselves. */
  readonly idleMs?: number;
  /** Readings whose own time is further back than this are late; 0, the default, for no limit. */
  readonly lateAfterMs?: number;
}

export interface CarbonModules {
  readonly clock: Clock;
  readonly intake: Ingest;
  readonly ledger: IngestCounters;
  readonly logger: Logger;
}

export interface CarbonListener {
  /** `HOST:PORT`, with the port that was picked. */
  readonly address: string;
  /** Closes both sockets and every connection, and hands over what was read. */
  stop(): Promise<void>;
}

export type CarbonStarted =
  | { readonly ok: true; readonly listener: CarbonListener }
  | { readonly ok: false; readonly code: string; readonly message: string };

/** Starts to listen. A refusal carries the system's code, such as `EADDRINUSE`. */
export async function listenCarbon(
  options: CarbonOptions,
  modules: CarbonModules,
): Promise<CarbonStarted> {
  const readers: CarbonLinesModules = {
    table: new SeriesTable(),
    batch: new ReadingBatch({ source: CARBON }, modules),
    ledger: modules.ledger,
    clock: modules.clock,
  };
  const bound = await bindBoth(options);
  if (!bound.ok) return bound;
  const { server, udp } = bound;
  const connections = acceptSenders(server, options, readers, modules);
  readDatagrams(udp, new CarbonLines(linesOptions(options), readers), modules.logger);
  const stop = async (): Promise<void> => {
    const closed = Promise.all([once(server, 'close'), once(udp, 'close')]);
    server.close();
    udp.close();
    for (const socket of connections) socket.destroy();
    await closed;
    readers.batch.flush();
  };
  return { ok: true, listener: { address: addressText(server), stop } };
}

/** Some connections for each of a few hundred machines; their unfinished lines take 32 MiB. */
const CONNECTIONS_MAX = 4_096;

/** Ten times the slowest usual interval of a sender, which is a minute. */
const IDLE_MS = 600_000;

/** How often a port that TCP has and UDP has not is given back, when any port will do. */
const PORT_TRIES_MAX = 10;

/** Room for a burst of datagrams while the process does something else; the system may give less. */
const UDP_BUFFER_BYTES = 4 * 1024 * 1024;

/** Refused connections are shown together: a flood of them must not become a flood of lines. */
const SHOW_AFTER_MS = 1_000;

type Bound =
  | { readonly ok: true; readonly server: Server; readonly udp: UdpSocket }
  | { readonly ok: false; readonly code: string; readonly message: string };

/** Binds TCP first and UDP to the port that it got. */
async function bindBoth({ host, port }: CarbonOptions): Promise<Bound> {
  let refusal: Bound = refusalOf(host, port, 'TCP', {});
  for (let tries = 0; tries < (port === 0 ? PORT_TRIES_MAX : 1); tries++) {
    const server = net.createServer({ keepAlive: true, noDelay: true });
    try {
      await listening(server, () => server.listen({ host, port, exclusive: true }));
    } catch (error) {
      return refusalOf(host, port, 'TCP', error);
    }
    const { address, family, port: picked } = boundTo(server);
    const udp = dgram.createSocket(family === 'IPv6' ? 'udp6' : 'udp4');
    try {
      await listening(udp, () => udp.bind({ address, port: picked, exclusive: true }));
      return { ok: true, server, udp };
    } catch (error) {
      refusal = refusalOf(host, picked, 'UDP', error);
      server.close();
      udp.close();
    }
  }
  return refusal;
}

/** Resolves when the socket listens; rejects with the system's error when it cannot. */
async function listening(socket: Server | UdpSocket, start: () => void): Promise<void> {
  const listens = once(socket, 'listening');
  start();
  await listens;
}

function refusalOf(host: string, port: number, protocol: string, error: unknown): Bound {
  const code = (error as NodeJS.ErrnoException).code ?? 'EUNKNOWN';
  const hint =
    code === 'EADDRINUSE' ? 'another process has it; stop it, or give another port' : code;
  const message = `cannot listen for carbon on ${host}:${port} (${protocol}): ${hint}`;
  return { ok: false, code, message };
}

function acceptSenders(
  server: Server,
  options: CarbonOptions,
  readers: CarbonLinesModules,
  { clock, logger }: CarbonModules,
): ReadonlySet<Socket> {
  const connections = new Set<Socket>();
  let refused = 0;
  server.maxConnections = options.connectionsMax ?? CONNECTIONS_MAX;
  server.on('error', ({ message }) => logger.warn('carbon TCP socket failed', { message }));
  server.on('drop', (from) => {
    refused++;
    if (refused > 1) return;
    const peer = from?.remoteAddress;
    clock.after(SHOW_AFTER_MS, () => {
      logger.warn('carbon connections refused: too many are open', { count: refused, peer });
      refused = 0;
    });
  });
  server.on('connection', (socket) => {
    connections.add(socket);
    const lines = new CarbonLines(linesOptions(options), readers);
    socket.setTimeout(options.idleMs ?? IDLE_MS, () => socket.destroy());
    socket.on('data', (chunk: Buffer) => lines.read(chunk));
    // A reset is how many senders say goodbye; `close` follows either way.
    socket.on('error', ({ message }) => logger.debug('carbon connection broke', { message }));
    socket.on('close', () => {
      connections.delete(socket);
      lines.end();
    });
  });
  return connections;
}

function linesOptions({ lateAfterMs = 0 }: CarbonOptions): CarbonLinesOptions {
  return { lateAfterMs };
}

function readDatagrams(udp: UdpSocket, lines: CarbonLines, logger: Logger): void {
  udp.setRecvBufferSize(UDP_BUFFER_BYTES);
  udp.on('message', (datagram) => lines.readDatagram(datagram));
  udp.on('error', ({ message }) => logger.warn('carbon UDP socket failed', { message }));
}

function boundTo(server: Server): net.AddressInfo {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('not a TCP address');
  return address;
}

function addressText(server: Server): string {
  const { address, family, port } = boundTo(server);
  return family === 'IPv6' ? `[${address}]:${port}` : `${address}:${port}`;
}
