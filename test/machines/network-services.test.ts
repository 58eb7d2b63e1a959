import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runChecked } from '../../src/base/index.ts';
import type { NetworkNamespace } from '../../src/runtime/contract.ts';
import { connectNamespace, removeNames, writeNames } from '../vm/hand-made-network.ts';
import { HandMadeComputers, type RunningComputer } from './hand-made-computer.ts';
import { shellSystem } from './shell-system.ts';

/** A network with a router, and one without. */
const open = { name: 'eth0', hostName: 'pc-test-open', guest: '10.213.8.2', host: '10.213.8.1', mtu: 1400 };
const closed = {
  name: 'eth1',
  hostName: 'pc-test-closed',
  guest: '10.213.9.2',
  host: '10.213.9.1',
  mtu: 1500,
};
const NAME_SERVER = '169.254.1.1';
const SIZE = 3_000_000;

let computers: HandMadeComputers;
let network: NetworkNamespace;
let server: Server;
let computer: RunningComputer;

beforeAll(async () => {
  computers = await HandMadeComputers.create();
  network = await computers.instance.launcher.createNetworkNamespace();
  server = createServer((_, response) => response.end(Buffer.alloc(SIZE, 'x')));
  server.listen(0);
  await once(server, 'listening');
  const [openMacs, closedMacs] = [
    await connectNamespace(network, open),
    await connectNamespace(network, closed),
  ];
  await writeNames(computers.instance.execRoot, network, { 'the-host': open.host, other: closed.host });
  const common = { hostname: 'one', search: ['shop', 'example.org'] };
  const system = await shellSystem(computers.instance, [openMacs.guest, closedMacs.guest]);
  computer = await computers.start(system, {
    plan: { network },
    leases: [
      {
        ...common,
        interface: 'eth0',
        macAddress: openMacs.guest,
        address: `${open.guest}/24`,
        router: open.host,
        server: open.host,
        serverMacAddress: openMacs.host,
      },
      {
        ...common,
        interface: 'eth1',
        macAddress: closedMacs.guest,
        address: `${closed.guest}/24`,
        router: undefined,
        server: NAME_SERVER,
        serverMacAddress: undefined,
      },
    ],
  });
  await computer.shows('READY');
});

afterAll(async () => {
  await computer.kill();
  for (const { hostName } of [open, closed]) await runChecked('ip', ['link', 'delete', hostName]);
  await removeNames(computers.instance.execRoot, network);
  await computers.instance.launcher.releaseNetworkNamespace(network);
  server.close();
  await computers[Symbol.asyncDispose]();
});

/** What a command in the guest's shell says. */
async function output(command: string): Promise<string> {
  await computer.type(`${command}; echo "that was"" all"\n`);
  return computer.shows('that was all');
}

/** Asks for an address, and goes on asking when it is told to. Returns what the guest was told. */
async function askForAddress(name: string): Promise<string> {
  const options = '-O search -O mtu -O staticroutes -O hostname';
  await computer.type(`udhcpc -f -i ${name} -s /dhcp -p /tmp/${name} -n ${options} &\n`);
  return computer.shows('told everything');
}

test('a guest that asks is told its address, the router, the size of frames, its name and where names are found', async () => {
  expect(await askForAddress('eth0')).toContain(
    `bound eth0 ip=${open.guest}/24 router=${open.host} dns=${open.host} mtu=1400 host=one search=shop example.org server=${open.host} routes=bound`,
  );
});

test('a guest that asks again keeps its address', async () => {
  await computer.type('kill -USR1 $(cat /tmp/eth0)\n');
  expect(await computer.shows('told everything')).toContain(`renew eth0 ip=${open.guest}/24`);
});

test('a guest without a router is told the way to the names', async () => {
  expect(await askForAddress('eth1')).toContain(
    `bound eth1 ip=${closed.guest}/24 router= dns=${NAME_SERVER} mtu=1500 host=one search=shop example.org server=${NAME_SERVER} routes=bound ${NAME_SERVER}/32 0.0.0.0`,
  );
});

test.each([open.host, NAME_SERVER])('names are found at %s, by UDP and by TCP', async (address) => {
  expect(await output(`nslookup the-host.shop ${address}`)).toContain(`Address: ${open.host}`);
  expect(await output(`nslookup no-such-name.shop ${address}`)).toMatch(/can't find/);
  // A question (RFC 1035, 4): its length, number 7, recursion desired, one question: the-host.shop, type A, class IN.
  const question = '\\0\\037\\0\\007\\1\\0\\0\\1\\0\\0\\0\\0\\0\\0\\010the-host\\004shop\\0\\0\\1\\0\\1';
  const answer = await output(
    `printf '${question}' | nc -w 5 ${address} 53 | od -An -tu1 | tr -s ' \\n' ' '`,
  );
  expect(answer).toContain(` ${open.host.split('.').join(' ')}`);
});

test('everything else goes to the network, with much, both ways', async () => {
  const { port } = server.address() as AddressInfo;
  expect(await output(`wget -q -O - http://${open.host}:${port}/ | wc -c`)).toContain(`${SIZE}\r\n`);
  await output('echo from the guest > /tmp/index.html; httpd -p 80 -h /tmp');
  const answer = await fetch(`http://${open.guest}/`);
  expect(await answer.text()).toBe('from the guest\n');
});
