import { once } from 'node:events';
import { rm, stat, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runChecked } from '../../src/base/index.ts';
import type { NetworkNamespace } from '../../src/runtime/contract.ts';
import { collect, ended, readUntil } from '../../src/runtime/test-instance.ts';
import { HandMadeMachines, type RunningMachine } from './hand-made-machine.ts';

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
  const macAddress = await connectNamespace(network);
  await writeNames(machines.instance.execRoot, network);
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

/** A pair of interfaces, one of them the container's eth0, whose address is the guest's. Returns its hardware address. */
async function connectNamespace({ path }: NetworkNamespace): Promise<string> {
  const inside = (...args: string[]) => runChecked('nsenter', [`--net=${path}`, 'ip', ...args]);
  await inside(
    'link',
    'add',
    'eth0',
    'mtu',
    String(MTU),
    'type',
    'veth',
    'peer',
    'name',
    'vm-test-host',
    'netns',
    String(process.pid),
  );
  await runChecked('ip', ['link', 'set', 'vm-test-host', 'mtu', String(MTU), 'up']);
  await runChecked('ip', ['address', 'add', `${HOST}/24`, 'dev', 'vm-test-host']);
  await inside('address', 'add', `${GUEST}/24`, 'dev', 'eth0');
  await inside('link', 'set', 'eth0', 'up');
  const { stdout } = await inside('-o', 'link', 'show', 'eth0');
  return /link\/ether (\S+)/.exec(stdout.toString())?.[1] ?? '';
}

async function writeNames(execRoot: string, { path }: NetworkNamespace): Promise<void> {
  const { ino } = await stat(path);
  const names = [
    'berth-names 1',
    'network shop',
    `host ${HOST} the-host`,
    `name the-host ${HOST}`,
    'end',
    '',
  ];
  await writeFile(`${execRoot}/n/n-5409`, names.join('\n'));
  await writeFile(`${execRoot}/n/s-${ino}`, 'berth-names 1\nnetwork 5409\nend\n');
}

/** The resolver ends with its launcher when it has no names to tell. */
async function removeNames(execRoot: string, { path }: NetworkNamespace): Promise<void> {
  const { ino } = await stat(path);
  await rm(`${execRoot}/n/s-${ino}`);
}

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
