import dgram from 'node:dgram';
import { once } from 'node:events';
import net, { type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import {
  listenCarbon,
  type CarbonListener,
  type CarbonOptions,
} from '../../src/io/monitors/carbon.ts';
import { IngestCounters } from '../../src/io/monitors/ingest-counters.ts';
import { KeepingIntake, KeepingLogger, realClock } from './world.ts';

const open: CarbonListener[] = [];
const sockets: Socket[] = [];

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await Promise.all(open.splice(0).map((listener) => listener.stop()));
});

async function listener(options: Partial<CarbonOptions> = {}) {
  const intake = new KeepingIntake();
  const logger = new KeepingLogger();
  const ledger = new IngestCounters({ clock: realClock, logger });
  const started = await listenCarbon(
    { host: '127.0.0.1', port: 0, ...options },
    { clock: realClock, intake, ledger, logger },
  );
  if (!started.ok) throw new Error(started.message);
  open.push(started.listener);
  const port = Number(started.listener.address.split(':').at(-1));
  return { intake, ledger, logger, port, carbon: started.listener };
}

async function connect(port: number): Promise<Socket> {
  const socket = net.connect(port, '127.0.0.1');
  sockets.push(socket);
  await once(socket, 'connect');
  return socket;
}

async function sendDatagram(port: number, text: string): Promise<void> {
  const socket = dgram.createSocket('udp4');
  await new Promise((resolve) => socket.send(text, port, '127.0.0.1', resolve));
  socket.close();
}

describe('the carbon listener', () => {
  it('takes what `printf … | nc` sends, and closes when the sender does', async () => {
    const { intake, port } = await listener();
    const sender = await connect(port);
    sender.end('servers.a.cpu.user 99\n');
    await once(sender, 'close');
    await intake.until(1);
    expect(intake.readings()).toEqual([['servers.a.cpu.user', 99]]);
    expect(intake.offered[0]?.source).toBe('carbon');
  });

  it('takes datagrams on the same port', async () => {
    const { intake, port } = await listener();
    await sendDatagram(port, 'a 1\nb 2');
    await intake.until(2);
    expect(intake.readings()).toEqual([
      ['a', 1],
      ['b', 2],
    ]);
  });

  it('takes a datagram of nearly 64 KiB', async () => {
    const { intake, port } = await listener();
    const lines = Array.from({ length: 3_000 }, (_, i) => `servers.web.n${i % 10} ${i}\n`);
    await sendDatagram(port, lines.join(''));
    await intake.until(3_000);
    expect(intake.readings().map(([, value]) => value)).toEqual(lines.map((_, i) => i));
  });

  it('reads senders side by side, each with its own unfinished line', async () => {
    const { intake, port } = await listener();
    const [slow, fast] = [await connect(port), await connect(port)];
    slow.write('slow.ser');
    fast.write('fast 1\n');
    await intake.until(1);
    slow.write('ies 2\n');
    await intake.until(2);
    expect(intake.readings()).toEqual([
      ['fast', 1],
      ['slow.series', 2],
    ]);
  });

  it('closes a connection on which nothing comes', async () => {
    const { port } = await listener({ idleMs: 20 });
    const sender = await connect(port);
    sender.resume();
    await once(sender, 'close');
    expect(sender.destroyed).toBe(true);
  });

  it('refuses more connections than its limit, says so, and goes on for the others', async () => {
    const { intake, port } = await listener({ connectionsMax: 1 });
    const first = await connect(port);
    const second = net.connect(port, '127.0.0.1');
    sockets.push(second);
    second.on('error', () => {});
    second.resume();
    await once(second, 'close');
    first.write('x 1\n');
    await intake.until(1);
  });

  it('survives a sender that resets its connection in the middle of a line', async () => {
    const { intake, ledger, port } = await listener();
    const rude = await connect(port);
    rude.write('x 1\ny 2');
    await intake.until(1);
    rude.resetAndDestroy();
    const polite = await connect(port);
    polite.write('z 3\n');
    await intake.until(2);
    expect(intake.readings()).toEqual([
      ['x', 1],
      ['z', 3],
    ]);
    expect(ledger.dropped['cut-off']).toBe(1);
  });

  it('hands over what it has read when it stops, though a sender is still there', async () => {
    const { intake, port, carbon } = await listener();
    const sender = await connect(port);
    sender.write('x 1\n');
    await intake.until(1);
    open.pop();
    await carbon.stop();
    await once(sender.resume(), 'close');
    await expect(connect(port)).rejects.toThrow('ECONNREFUSED');
  });

  it('says which address is taken and what to do', async () => {
    const { port, ledger, logger } = await listener();
    const second = await listenCarbon(
      { host: '127.0.0.1', port },
      { clock: realClock, intake: new KeepingIntake(), ledger, logger },
    );
    expect(second).toMatchObject({ ok: false, code: 'EADDRINUSE' });
    expect(second).toHaveProperty('message', expect.stringContaining(`127.0.0.1:${port} (TCP)`));
  });

  it('says when only UDP is taken', async () => {
    const squatter = dgram.createSocket('udp4').bind(0, '127.0.0.1');
    await once(squatter, 'listening');
    const { port } = squatter.address();
    const logger = new KeepingLogger();
    const started = await listenCarbon(
      { host: '127.0.0.1', port },
      {
        clock: realClock,
        intake: new KeepingIntake(),
        ledger: new IngestCounters({ clock: realClock, logger }),
        logger,
      },
    );
    squatter.close();
    expect(started).toHaveProperty('message', expect.stringContaining(`${port} (UDP)`));
  });
});
