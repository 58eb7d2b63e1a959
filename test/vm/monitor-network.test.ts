import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runChecked } from '../../src/base/index.ts';
import type { NetworkNamespace } from '../../src/runtime/contract.ts';
import { collect, ended, readUntil } from '../../src/runtime/test-instance.ts';
import { HandMadeMachines, type RunningMachine } from './hand-made-machine.ts';
import { connectNamespace, removeNames, writeNames } from './hand-made-network.ts';

const HOST = '10.213.7.1';
const GUEST = '10.213.7.2';
const MTU = 1400;
const SIZE = 20_000_000;

let machines: HandMadeMachines;
let network: NetworkNamespace;
let server: Server;
let machine: RunningMachine;

beforeAll(async () => {
  machines = await HandMadeMachines.create();
  network = await machines.instance.launcher.createNetworkNamespace();
  server = createServer((request, response) => {
    if (request.url === '/big') response.end(Buffer.alloc(SIZE, 'x'));
    else request.pipe(response);
  });
  server.listen(0);
  await once(server, 'listening');
  const pair = { name: 'eth0', hostName: 'vm-test-host', guest: GUEST, host: HOST, mtu: MTU };
  const { guest: macAddress } = await connectNamespace(network, pair);
  await writeNames(machines.instance.execRoot, network, { 'the-host': HOST });
  machine = await machines.start({
    args: ['/bin/sh', '-c', 'echo up; exec busybox httpd -f -p 80 -h /etc'],
    plan: { network },
    interfaces: ['eth0'],
    setup: {
      nameService: true,
      interfaces: [{ macAddress, name: 'eth0', mtu: MTU, addresses: [`${GUEST}/24`] }],
      routes: [{ gateway: HOST, interface: 'eth0' }],
      files: [{ path: '/etc/resolv.conf', content: Buffer.from('nameserver 127.0.0.11\n') }],
    },
  });
  await readUntil(machine.session, 'up');
});

afterAll(async () => {
  await machine.supervisor.signal(9);
  await ended(machine.supervisor);
  await runChecked('ip', ['link', 'delete', 'vm-test-host']);
  await removeNames(machines.instance.execRoot, network);
  await machines.instance.launcher.releaseNetworkNamespace(network);
  server.close();
  await machines[Symbol.asyncDispose]();
});

async function output(...args: string[]): Promise<string> {
  await using exec = await machine.exec(args);
  const { stdout, stderr } = await collect(exec);
  return stdout + stderr;
}

describe("a virtual machine's network", () => {
  test("has the interface's name, address and size of frames", async () => {
    const text = await output('busybox', 'ip', 'address', 'show', 'eth0');
    expect(text).toContain(`inet ${GUEST}/24`);
    expect(text).toContain(`mtu ${MTU}`);
  });

  test('reaches the host, with much', async () => {
    const { port } = server.address() as AddressInfo;
    expect(await output('/bin/sh', '-c', `busybox wget -q -O - http://${HOST}:${port}/big | wc -c`)).toBe(
      `${SIZE}\n`,
    );
  });

  test('is reached from the host', async () => {
    const answer = await fetch(`http://${GUEST}/passwd`);
    expect(await answer.text()).toContain('root:x:0:0');
  });

  test('finds names where containers find them', async () => {
    const { port } = server.address() as AddressInfo;
    expect(await output('busybox', 'nslookup', 'the-host.shop')).toContain(`Address: ${HOST}`);
    expect(await output('busybox', 'nslookup', 'no-such-name.shop')).toMatch(/can't find/);
    expect(await output('/bin/sh', '-c', `busybox wget -q -O - http://the-host:${port}/big | wc -c`)).toBe(
      `${SIZE}\n`,
    );
  });
});
