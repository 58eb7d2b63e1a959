import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { findPortHolder, listeningPorts } from './ports.ts';

const open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const resource of open.splice(0)) await resource[Symbol.asyncDispose]();
});

/** A TCP server of this process on a port that the kernel chooses. */
async function listen(host: string): Promise<number> {
  const server = createServer().listen(0, host);
  open.push(server);
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

it('names the process that holds a port, by its pid and command', async () => {
  const script =
    "const s = require('net').createServer().listen(0, '127.0.0.1', () => console.log(s.address().port))";
  const holder = spawn(process.execPath, ['-e', script]);
  open.push({
    [Symbol.asyncDispose]: async () => {
      const exited = once(holder, 'exit');
      holder.kill('SIGKILL');
      await exited;
    },
  });
  const [output] = await once(holder.stdout, 'data');
  const port = Number(String(output));
  expect(await findPortHolder('tcp', '127.0.0.1', port)).toEqual({
    pid: holder.pid,
    command: expect.stringMatching(/node|MainThread/),
  });
});

it('counts a socket for every address as the holder of each, and the other way round', async () => {
  const one = await listen('127.0.0.1');
  const all = await listen('0.0.0.0');
  const six = await listen('::');
  const own = expect.objectContaining({ pid: process.pid });
  expect(await findPortHolder('tcp', '0.0.0.0', one)).toEqual(own);
  expect(await findPortHolder('tcp', '', one)).toEqual(own);
  expect(await findPortHolder('tcp', '127.0.0.1', all)).toEqual(own);
  expect(await findPortHolder('tcp', '0.0.0.0', six)).toEqual(own);
  expect(await findPortHolder('tcp', '::', six)).toEqual(own);
  expect(await findPortHolder('tcp', '127.0.0.2', one)).toBeUndefined();
  expect(await findPortHolder('udp', '127.0.0.1', one)).toBeUndefined();
});

it('tells one IPv6 address from another', async () => {
  const port = await listen('::1');
  expect(await findPortHolder('tcp', '::1', port)).toMatchObject({ pid: process.pid });
  expect(await findPortHolder('tcp', '0:0::0:1', port)).toMatchObject({ pid: process.pid });
  expect(await findPortHolder('tcp', 'fe80::1', port)).toBeUndefined();
  const mapped = await listen('::ffff:127.0.0.1');
  expect(await findPortHolder('tcp', '127.0.0.1', mapped)).toMatchObject({ pid: process.pid });
  expect(await findPortHolder('tcp', '127.0.0.2', mapped)).toBeUndefined();
});

it('lists what the namespace of a process listens on, TCP and UDP apart', async () => {
  const tcp = await listen('127.0.0.1');
  const six = await listen('::1');
  const socket = createSocket('udp4');
  open.push(socket);
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const udp = socket.address().port;
  expect(await listeningPorts(process.pid, 'tcp')).toEqual(
    expect.arrayContaining([tcp, six].sort((a, b) => a - b)),
  );
  expect(await listeningPorts(process.pid, 'udp')).toContain(udp);
  expect(await listeningPorts(process.pid, 'udp')).not.toContain(tcp);
});

it('finds nothing for a process that is gone', async () => {
  expect(await listeningPorts(2 ** 22 + 1, 'tcp')).toEqual([]);
});

it("does not take the resolver's own sockets for a container's", async () => {
  const port = await listen('127.0.0.11');
  expect(await listeningPorts(process.pid, 'tcp')).not.toContain(port);
});
