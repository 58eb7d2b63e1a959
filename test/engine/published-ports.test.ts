import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Instance, startInstance } from './instance.ts';

const SERVE = 'echo web > /index.html; exec httpd -f -p 80 -h /';

describe('published ports', () => {
  let instance: Instance;
  beforeAll(async () => {
    instance = await startInstance();
    await instance.berthOk(['pull', '-q', 'busybox']);
  });
  afterAll(() => instance[Symbol.asyncDispose]());

  const create = (name: string, ...options: string[]) =>
    instance.berthOk(['create', '--name', name, ...options, 'busybox', 'sh', '-c', SERVE]);
  const start = async (name: string, ...options: string[]) => {
    await create(name, ...options);
    await instance.berthOk(['start', name]);
  };
  const remove = (name: string) => instance.berthOk(['rm', '-f', name]);
  const places = async (name: string, port: string) =>
    (await instance.berthOk(['port', name, port])).split('\n');
  /** Served is what a client sees once the container's program listens. */
  const expectPage = (host: string, port: number) =>
    expect.poll(() => page(host, port).catch(String), { timeout: 20_000 }).toBe('web\n');

  it('are on IPv4 and IPv6 with the same number, the chosen ones too, but for those at one address', async () => {
    const forms = '-p 80 -p 86/udp -p 28081:80 --expose 82 -P -p 0.0.0.0::83 -p 0.0.0.0:28084:84'.split(' ');
    await start('web', ...forms);
    const number = await instance.publishedPort('web', '80/tcp');
    const datagrams = await instance.publishedPort('web', '86/udp');
    const exposed = await instance.publishedPort('web', '82/tcp');
    const onIPv4 = await instance.publishedPort('web', '83/tcp');
    const both = (port: number) => [`0.0.0.0:${port}`, `[::]:${port}`];
    expect(await places('web', '80')).toEqual([...both(number), ...both(28_081)]);
    expect(await places('web', '86/udp')).toEqual(both(datagrams));
    expect(await places('web', '82')).toEqual(both(exposed));
    expect(await places('web', '83')).toEqual([`0.0.0.0:${onIPv4}`]);
    expect(await places('web', '84')).toEqual(['0.0.0.0:28084']);
    const { NetworkSettings, HostConfig } = JSON.parse(await instance.berthOk(['inspect', 'web']))[0];
    expect(NetworkSettings.Ports['86/udp']).toEqual([
      { HostIp: '0.0.0.0', HostPort: `${datagrams}` },
      { HostIp: '::', HostPort: `${datagrams}` },
    ]);
    expect(HostConfig.PortBindings['86/udp']).toEqual([{ HostIp: '', HostPort: '' }]);
    const listed = await instance.berthOk(['ps', '--format', '{{.Ports}}']);
    expect(listed).toContain(`0.0.0.0:${exposed}->82/tcp, [::]:${exposed}->82/tcp`);
    await using _echo = await echoDatagrams(
      await instance.berthOk(['inspect', '-f', '{{.State.Pid}}', 'web']),
    );
    for (const host of ['127.0.0.1', '::1']) {
      await expectPage(host, number);
      await expectPage(host, 28_081);
      expect(await echoed(host, datagrams)).toBe('datagram');
    }
    await expect(page('::1', 28_084)).rejects.toThrow('fetch failed');
    await remove('web');
  });

  it('that are chosen are ones that IPv6 has too', async () => {
    await create('choosy', '-p', '80', '-p', '86/udp');
    await create('second', '-p', '80');
    await using _range = await sysctl('net/ipv4/ip_local_port_range', '28200\t28203');
    const taken = [28_200, 28_201, 28_202];
    await using held = new AsyncDisposableStack();
    for (const port of taken) {
      held.use(await holdStream(port));
      held.use(await holdDatagrams(port));
    }
    await instance.berthOk(['start', 'choosy']);
    const both = ['0.0.0.0:28203', '[::]:28203'];
    expect([await places('choosy', '80'), await places('choosy', '86/udp')]).toEqual([both, both]);
    const { code, stderr } = await instance.berth(['start', 'second']);
    expect([code, stderr]).toEqual([1, expect.stringContaining('no free port was found at 0.0.0.0 for tcp')]);
    await remove('choosy');
    await remove('second');
  });

  it('are on IPv4 alone where the host has no IPv6', async () => {
    await using _off = await sysctl('net/ipv6/conf/all/disable_ipv6', '1');
    await start('four', '-p', '28080:80', '-p', '80');
    expect(await places('four', '80')).toEqual(['0.0.0.0:28080', expect.stringMatching(/^0\.0\.0\.0:\d+$/)]);
    await expectPage('127.0.0.1', 28_080);
    await remove('four');
  });

  it('of a range are ones that IPv6 has too', async () => {
    await using _held = await holdStream(28_090);
    await start('ranged', '-p', '28090-28099:80');
    expect(await places('ranged', '80')).toEqual(['0.0.0.0:28091', '[::]:28091']);
    await remove('ranged');
  });
});

async function page(host: string, port: number): Promise<string> {
  const address = host.includes(':') ? `[${host}]` : host;
  return (await fetch(`http://${address}:${port}`)).text();
}

/** A server of UDP's port 86 in the network of a container, whose image has none. */
async function echoDatagrams(pid: string): Promise<AsyncDisposable> {
  const script = `const socket = require('dgram').createSocket('udp4', (text, from) => socket.send(text, from.port, from.address));
    socket.bind(86, () => console.log('ready'))`;
  const server = spawn('nsenter', [`--net=/proc/${pid}/ns/net`, process.execPath, '-e', script]);
  await once(server.stdout, 'data');
  return {
    async [Symbol.asyncDispose]() {
      const exited = once(server, 'exit');
      server.kill('SIGKILL');
      await exited;
    },
  };
}

async function echoed(host: string, port: number): Promise<string> {
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
  socket.send('datagram', port, host);
  const [answer] = await once(socket, 'message');
  socket.close();
  return String(answer);
}

/** A parameter of this machine's network, until it is disposed of. */
async function sysctl(name: string, value: string): Promise<AsyncDisposable> {
  const path = `/proc/sys/${name}`;
  const before = await readFile(path, 'utf8');
  await writeFile(path, value);
  return { [Symbol.asyncDispose]: () => writeFile(path, before) };
}

/** Somebody else's port, on IPv6 only. */
async function holdStream(port: number): Promise<AsyncDisposable> {
  const server = createServer().listen({ port, host: '::', ipv6Only: true });
  await once(server, 'listening');
  return server;
}

async function holdDatagrams(port: number): Promise<AsyncDisposable> {
  const socket = createSocket({ type: 'udp6', ipv6Only: true }).bind(port, '::');
  await once(socket, 'listening');
  return socket;
}
