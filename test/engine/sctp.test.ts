import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { HeldNamespaces, inside, type Neighbour } from '../../src/network/held-namespaces.fixture.ts';
import { buildSctpPeers, type SctpPeers } from '../fixtures/sctp-peer.ts';
import { type Instance, startInstance } from './instance.ts';

const HOST = '/proc/self/ns/net';

describe('SCTP ports', () => {
  let instance: Instance;
  let peers: SctpPeers;
  let neighbour: Neighbour;
  let neighbourOnIPv6: Neighbour;
  const namespaces = new HeldNamespaces();
  beforeAll(async () => {
    instance = await startInstance();
    await instance.berthOk(['pull', '-q', 'busybox']);
    await instance.berthOk(
      'network create --ipv6 --subnet 10.202.0.0/24 --subnet fd00:be:2::/64 both'.split(' '),
    );
    peers = await buildSctpPeers();
    neighbour = await namespaces.neighbour(40);
    neighbourOnIPv6 = await namespaces.neighbourWithIPv6(40);
    // The kernel takes up IPv6 on a link a while after the link is up.
    const { hostAddress } = neighbourOnIPv6;
    expect((await inside(neighbourOnIPv6, 'ping', '-c1', '-w9', hostAddress)).code).toBe(0);
  });
  afterAll(async () => {
    await peers[Symbol.asyncDispose]();
    await namespaces[Symbol.asyncDispose]();
    await instance[Symbol.asyncDispose]();
  });

  const start = async (name: string, ...options: string[]) => {
    await instance.berthOk(['run', '-d', '--name', name, ...options, 'busybox', 'sleep', '1000']);
    return `/proc/${await instance.berthOk(['inspect', '-f', '{{.State.Pid}}', name])}/ns/net`;
  };
  const portsOf = async (name: string) =>
    JSON.parse(await instance.berthOk(['inspect', '-f', '{{json .NetworkSettings.Ports}}', name]));

  it('lead to the container: from other hosts, which keep their address, from the host and from other containers', async () => {
    const server = await start('server', ...'--network both -p 5000:5001/sctp'.split(' '));
    const clients = await peers.serve(server);
    const from = neighbour.namespace.path;
    expect(await peers.ask(from, neighbour.hostAddress, 5000)).toBe(`${neighbour.hostAddress} 5000`);
    expect(await clients.next()).toBe(`5001 from ${neighbour.address}`);
    const { namespace, address, hostAddress } = neighbourOnIPv6;
    expect(await peers.ask(namespace.path, hostAddress, 5000)).toBe(`${hostAddress} 5000`);
    expect(await clients.next()).toBe(`5001 from ${address}`);
    expect(await peers.ask(HOST, neighbour.hostAddress, 5000)).toBe(`${neighbour.hostAddress} 5000`);
    expect(await clients.next()).toBe(`5001 from ${neighbour.hostAddress}`);
    const client = await start('client', '--network', 'both');
    expect(await peers.ask(client, '10.202.0.1', 5000)).toBe('10.202.0.1 5000');
    expect(await clients.next()).toBe('5001 from 10.202.0.1');
    expect(await portsOf('server')).toEqual({
      '5001/sctp': [
        { HostIp: '0.0.0.0', HostPort: '5000' },
        { HostIp: '::', HostPort: '5000' },
      ],
    });
    expect(await instance.berthOk(['ports', 'server'])).toMatch(
      /5001\/sctp +0\.0\.0\.0:5000 +this host, other hosts$/m,
    );
    await instance.killDaemon();
    await instance.startDaemon();
    expect(await peers.ask(from, neighbour.hostAddress, 5000)).toBe(`${neighbour.hostAddress} 5000`);
    expect(await peers.ask(namespace.path, hostAddress, 5000)).toBe(`${hostAddress} 5000`);
    await instance.berthOk(['rm', '-f', 'server', 'client']);
    expect(await peers.ask(from, neighbour.hostAddress, 5000)).toBe('nobody');
  });

  it('are published in all forms, and changed while the container runs', async () => {
    const forms =
      '-p 5010-5011:5010-5011/sctp -p 5012-5013:5012/sctp -p 5014/sctp --expose 5015/sctp -P'.split(' ');
    const server = await start('forms', ...forms, '-p', `${neighbour.hostAddress}:5016:5016/sctp`);
    await peers.serve(server);
    const ports = await portsOf('forms');
    const hostPort = (key: string) =>
      ports[key]?.map((place: { HostPort: string }) => Number(place.HostPort));
    expect([hostPort('5010/sctp'), hostPort('5011/sctp'), hostPort('5012/sctp')]).toEqual([
      [5010],
      [5011],
      [5012],
    ]);
    expect(ports['5016/sctp']).toEqual([{ HostIp: neighbour.hostAddress, HostPort: '5016' }]);
    const chosen = [hostPort('5014/sctp')[0], hostPort('5015/sctp')[0]];
    expect(new Set(chosen).size).toBe(2);
    await instance.berthOk('update --publish-add 5017:5017/sctp --publish-rm 5010/sctp forms'.split(' '));
    const { namespace, hostAddress } = neighbour;
    for (const port of [5011, 5012, ...chosen, 5016, 5017]) {
      expect(await peers.ask(namespace.path, hostAddress, port)).toBe(`${hostAddress} ${port}`);
    }
    expect(await peers.ask(namespace.path, hostAddress, 5010)).toBe('nobody');
    await instance.berthOk(['rm', '-f', 'forms']);
  });

  it('that another container has are refused before a start, and so is what nobody would forward', async () => {
    await start('holder', '-p', '5020:5020/sctp', '-p', '5021:5021/tcp');
    const run = async (...options: string[]) =>
      (await instance.berth(['run', '--rm', ...options, 'busybox', 'echo', 'it ran'])).stderr;
    expect(await run('-p', '5020:80/sctp')).toContain('port is already allocated by container holder');
    expect(await run('-p', `${neighbour.hostAddress}:5020:80/sctp`)).toMatch(
      /published by container \w+ already|allocated by container holder/,
    );
    expect(await run('-p', '5021:80/sctp')).toBe(''); // TCP has ports of its own
    expect(await run('-p', '127.0.0.1:5022:80/sctp')).toContain(
      'the port 5022/sctp cannot be published on 127.0.0.1: only the kernel leads SCTP to containers',
    );
    expect(await run('-p', '[2001:db8::9]:5022:80/sctp')).toContain('the container has no IPv6 address');
    await instance.berthOk(['rm', '-f', 'holder']);
  });
});
