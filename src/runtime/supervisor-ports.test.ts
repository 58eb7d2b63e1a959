import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { buffer, text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { PortPlan, PortRefusal } from './contract.ts';
import { ended, missingForContainers, TestInstance } from './test-instance.ts';

const CRUN = '/usr/bin/crun';
const missing = missingForContainers(CRUN);
const reason = missing === undefined ? '' : ` (skipped: needs ${missing})`;

/** The containers here share the host's network, so that a server of the test can stand for theirs. */
describe.skipIf(missing !== undefined)(`published ports${reason}`, { timeout: 30_000 }, () => {
  let instance: TestInstance;
  beforeAll(async () => {
    instance = await TestInstance.create(CRUN);
  });
  afterAll(async () => {
    await instance[Symbol.asyncDispose]();
  });

  const published = (containerPort: number, changes: Partial<PortPlan> = {}): PortPlan => ({
    protocol: 'tcp',
    hostIp: '127.0.0.1',
    hostPort: 0,
    containerIp: '127.0.0.1',
    containerPort,
    ...changes,
  });

  const startWith = async (...ports: PortPlan[]) => {
    const { supervisor } = await instance.start({ args: ['sleep', '1000'], plan: { ports } });
    return { supervisor, hostPorts: supervisor.ports.map(({ hostPort }) => hostPort) };
  };

  test('forward a connection, half by half', async () => {
    await using server = await listen((socket) => socket.pipe(socket));
    const { supervisor, hostPorts } = await startWith(published(server.port));
    const client = connect(hostPorts[0] ?? 0, '127.0.0.1');
    client.end('there and back');
    expect(await text(client)).toBe('there and back');
    await supervisor.signal(9);
  });

  test('forward megabytes to a slow reader without losing any', async () => {
    const size = 8 * 1024 * 1024;
    await using server = await listen((socket) => socket.end(Buffer.alloc(size, 7)));
    const { supervisor, hostPorts } = await startWith(published(server.port));
    const client = connect(hostPorts[0] ?? 0, '127.0.0.1');
    client.pause();
    await once(client, 'connect');
    const received = await buffer(client);
    expect(received.length).toBe(size);
    expect(received.every((byte) => byte === 7)).toBe(true);
    await supervisor.signal(9);
  });

  test('are the first free ones of a range, the same on IPv4 and IPv6, until the range is used up', async () => {
    await using server = await listen((socket) => socket.end());
    const hostPort = await unusedPort();
    const range = (lastHostPort: number, hostIp = '127.0.0.1') =>
      published(server.port, { hostPort, lastHostPort, hostIp });
    const { supervisor, hostPorts } = await startWith(range(hostPort + 20), range(hostPort + 20, '::1'));
    expect(hostPorts).toEqual([hostPort, hostPort]);
    const next = await supervisor.publish(range(hostPort + 20));
    expect(next.hostPort).toBeGreaterThan(hostPort);
    await expect(supervisor.publish(range(next.hostPort))).rejects.toThrow(
      `every port from 127.0.0.1:${hostPort}/tcp to ${next.hostPort} is already in use`,
    );
    await supervisor.signal(9);
  });

  test('are added and withdrawn while the container runs', async () => {
    await using server = await listen((socket) => socket.pipe(socket));
    const { supervisor, hostPorts } = await startWith(published(server.port));
    const added = await supervisor.publish(published(server.port));
    expect(supervisor.ports).toEqual([expect.objectContaining({ hostPort: hostPorts[0] }), added]);
    const client = connect(added.hostPort, '127.0.0.1');
    client.write('before');
    expect(String((await once(client, 'data'))[0])).toBe('before');
    await expect(supervisor.publish(published(server.port, { hostPort: added.hostPort }))).rejects.toThrow(
      `the port 127.0.0.1:${added.hostPort}/tcp is already in use`,
    );

    await supervisor.withdraw(added);
    await supervisor.withdraw(added);
    expect(supervisor.ports.map(({ hostPort }) => hostPort)).toEqual(hostPorts);
    await expect(once(connect(added.hostPort, '127.0.0.1'), 'connect')).rejects.toThrow('ECONNREFUSED');
    client.end('after');
    expect(await text(client)).toBe('after'); // what was connected goes on
    const again = await supervisor.publish(published(server.port, { hostPort: added.hostPort }));
    expect(again).toEqual(added);
    await supervisor.signal(9);
  });

  test('say it when nothing listens in the container', async () => {
    const { supervisor, hostPorts } = await startWith(published(await unusedPort()));
    const refusal = new Promise<PortRefusal>((resolve) => supervisor.onPortRefused(resolve));
    const client = connect(hostPorts[0] ?? 0, '127.0.0.1');
    const closed = new Promise((resolve) => client.once('close', resolve));
    client.on('error', () => {}); // closed with or without a reset
    expect((await refusal).port).toEqual(supervisor.ports[0]);
    await closed;
    await supervisor.signal(9);
  });

  test('hold a connection that comes before the container runs', async () => {
    await using server = await listen((socket) => socket.end('late'));
    const { supervisor } = await instance.prepare({
      args: ['sleep', '1000'],
      plan: { ports: [published(server.port)] },
    });
    const client = connect(supervisor.ports[0]?.hostPort ?? 0, '127.0.0.1');
    await once(client, 'connect');
    await supervisor.run();
    expect(await text(client)).toBe('late');
    await supervisor.signal(9);
  });

  test('get the same number on IPv4 and IPv6 when the kernel chooses it', async () => {
    await using server = await listen((socket) => socket.end('both'));
    const { supervisor, hostPorts } = await startWith(
      published(server.port, { hostIp: '0.0.0.0' }),
      published(server.port, { hostIp: '::' }),
    );
    expect(hostPorts[0]).toBeGreaterThan(0);
    expect(hostPorts[1]).toBe(hostPorts[0]);
    for (const host of ['127.0.0.1', '::1'])
      expect(await text(connect(hostPorts[0] ?? 0, host))).toBe('both');
    await supervisor.signal(9);
  });

  test('are refused by name when one is taken, and then none is kept', async () => {
    await using server = await listen(() => {});
    const free = await unusedPort();
    const plan = await instance.plan({
      ports: [published(1, { hostPort: free }), published(1, { hostPort: server.port })],
    });
    await expect(instance.launcher.launch(plan)).rejects.toMatchObject({
      kind: 'conflict',
      message: `the port 127.0.0.1:${server.port}/tcp is already in use`,
    });
    const again = await instance.launcher.launch({ ...plan, ports: plan.ports.slice(0, 1) });
    expect(again.ports[0]?.hostPort).toBe(free);
    await again.discard();
  });

  test('say it when the host has no such address', async () => {
    const plan = await instance.plan({ ports: [published(1, { hostIp: '192.0.2.1', hostPort: 1234 })] });
    await expect(instance.launcher.launch(plan)).rejects.toMatchObject({
      kind: 'invalid',
      message: expect.stringContaining('192.0.2.1:1234/tcp'),
    });
  });

  test('are free as soon as the container has ended', async () => {
    const { supervisor, hostPorts } = await startWith(published(1));
    await supervisor.signal(9);
    await supervisor.exited;
    const server = createServer().listen(hostPorts[0], '127.0.0.1');
    await once(server, 'listening');
    server.close();
  });

  test('forward datagrams, and each answer to who asked', async () => {
    const echo = createSocket('udp4');
    echo.on('message', (message, from) => echo.send(`echo ${message}`, from.port, from.address));
    echo.bind(0, '127.0.0.1');
    await once(echo, 'listening');
    const { supervisor, hostPorts } = await startWith(published(echo.address().port, { protocol: 'udp' }));
    const ask = async (question: string) => {
      const client = createSocket('udp4');
      client.send(question, hostPorts[0] ?? 0, '127.0.0.1');
      const [answer] = await once(client, 'message');
      client.close();
      return String(answer);
    };
    const questions = Array.from({ length: 200 }, (_, number) => `${number}`); // more than the table holds
    for (const question of questions) expect(await ask(question)).toBe(`echo ${question}`);
    echo.close();
    await supervisor.signal(9);
    await ended(supervisor);
  });
});

interface TestServer extends AsyncDisposable {
  readonly port: number;
}

async function listen(onConnection: (socket: Socket) => void): Promise<TestServer> {
  const server: Server = createServer({ allowHalfOpen: true }, onConnection);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: portOf(server),
    async [Symbol.asyncDispose]() {
      server.close();
      await once(server, 'close');
    },
  };
}

async function unusedPort(): Promise<number> {
  await using server = await listen(() => {});
  return server.port;
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}
