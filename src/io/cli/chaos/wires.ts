/**
 * The wires between the members: each one's peer port has a door on another loopback address, at
 * which the others knock, and each connection through a door can be held or cut. So a partition
 * needs no privileges.
 *
 * A connection says who made it in its first bytes, which hold the name of the member that dials.
 * What is held is delivered when the wire heals, as a network does that repeats what it lost.
 */

import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

/** All of 127.0.0.0/8 is this machine on Linux; elsewhere this address has to be added first. */
export const PROXY_HOST = '127.0.0.2';

/** `held`: everything waits. `cut`: connections break, and new ones too. */
export type Broken = 'held' | 'cut';

interface Connection {
  readonly to: string;
  /** Empty until it is known. */
  from: string;
  /** The end at the door; behind it that at the member, once it has been dialled. */
  readonly ends: Socket[];
  /** Dials the member, if that was put off. */
  dial: () => void;
}

const NOTHING = (): void => undefined;

export class Wires {
  readonly #names: readonly string[];
  readonly #servers: Server[] = [];
  readonly #connections = new Set<Connection>();
  /** By `from>to`. */
  readonly #broken = new Map<string, Broken>();

  constructor(names: readonly string[]) {
    this.#names = names;
  }

  /** Opens the door of a member whose peer port is `port` of 127.0.0.1. */
  async open(name: string, port: number): Promise<void> {
    const server = createServer({ noDelay: true }, (socket) => this.#knocked(socket, name, port));
    this.#servers.push(server);
    server.listen(port, PROXY_HOST);
    await once(server, 'listening');
  }

  break(from: string, to: string, how: Broken): void {
    this.#broken.set(`${from}>${to}`, how);
    for (const connection of this.#connections) this.#enforce(connection);
  }

  heal(): void {
    this.#broken.clear();
    for (const { dial, ends } of this.#connections) {
      dial();
      for (const socket of ends) socket.resume();
    }
  }

  close(): void {
    for (const server of this.#servers) server.close();
    for (const connection of this.#connections) end(connection);
  }

  #knocked(socket: Socket, to: string, port: number): void {
    const connection: Connection = { to, from: '', ends: [socket], dial: NOTHING };
    this.#connections.add(connection);
    const over = (): void => {
      this.#connections.delete(connection);
      end(connection);
    };
    socket.on('error', over).on('close', over);
    socket.once('data', (first) => {
      socket.pause();
      connection.from = this.#names.find((name) => first.includes(name)) ?? '';
      connection.dial = () => {
        connection.dial = NOTHING;
        const member = connect({ host: '127.0.0.1', port, noDelay: true });
        member.on('error', over).on('close', over);
        connection.ends.push(member);
        member.write(first);
        socket.pipe(member).pipe(socket);
      };
      if (this.#howBroken(connection) === undefined) connection.dial();
      else this.#enforce(connection);
    });
  }

  #howBroken({ from, to }: Connection): Broken | undefined {
    return this.#broken.get(`${from}>${to}`);
  }

  #enforce(connection: Connection): void {
    const broken = this.#howBroken(connection);
    if (broken === 'cut') end(connection);
    if (broken === 'held') for (const socket of connection.ends) socket.pause();
  }
}

function end({ ends }: Connection): void {
  for (const socket of ends) socket.destroy();
}
