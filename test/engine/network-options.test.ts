import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  HeldNamespaces,
  inside,
  type Neighbour,
  seenAtOnce,
  seenFrom,
} from '../../src/network/held-namespaces.fixture.ts';
import { type Instance, startInstance } from './instance.ts';

const BRIDGE = 'com.docker.network.bridge';
const ENDPOINT = 'com.docker.network.endpoint';

describe("Docker's options of networks", () => {
  let instance: Instance;
  let neighbour: Neighbour;
  let stranger: Neighbour;
  const namespaces = new HeldNamespaces();
  beforeAll(async () => {
    instance = await startInstance();
    await instance.berthOk(['pull', '-q', 'busybox']);
    neighbour = await namespaces.neighbour(50);
    stranger = await namespaces.neighbour(51);
  });
  afterAll(async () => {
    await namespaces[Symbol.asyncDispose]();
    await instance[Symbol.asyncDispose]();
  });

  const network = async (name: string, subnet: string, ...options: string[]) => {
    await instance.berthOk(['network', 'create', '--subnet', subnet, ...options, name]);
  };
  const serve = async (name: string, ...options: string[]) => {
    await instance.berthOk(['run', '-d', '--name', name, ...options, 'busybox', 'sleep', '1000']);
    const pid = await instance.berthOk(['inspect', '-f', '{{.State.Pid}}', name]);
    const member = { namespace: { handle: 0, path: `/proc/${pid}/ns/net` } };
    for (const port of [80, 81]) await namespaces.serve(member, port);
    return member;
  };
  const refused = async (...args: string[]) => (await instance.berth(args)).stderr;

  it('name the interfaces of its containers, also in networks that are joined later', async () => {
    await network('lan', '10.203.1.0/24', '-o', 'com.docker.network.container_iface_prefix=lan');
    const links = 'ip -o link | cut -d: -f2 | cut -d@ -f1 | tr -d " \\n"';
    const run = [
      'run',
      '--rm',
      '--network',
      'lan',
      '--network',
      `name=bridge,driver-opt=${ENDPOINT}.ifname=wan7`,
    ];
    const show = `${links}; echo; ip route show default`;
    const [names, route] = (await instance.berthOk([...run, 'busybox', 'sh', '-c', show])).split('\n');
    expect(names).toBe('lolan0wan7');
    expect(route).toContain('via 10.203.1.1 dev lan0');
    await instance.berthOk([
      'run',
      '-d',
      '--name',
      'named',
      '--network',
      `name=lan,driver-opt=${ENDPOINT}.ifname=first`,
      'busybox',
      'sleep',
      '1000',
    ]);
    await instance.berthOk([
      'network',
      'connect',
      '--driver-opt',
      `${ENDPOINT}.ifname=second`,
      'bridge',
      'named',
    ]);
    expect(await instance.berthOk(['exec', 'named', 'sh', '-c', links])).toBe('lofirstsecond');
    expect(await instance.berthOk(['exec', 'named', 'ip', 'route'])).toContain(
      'default via 10.203.1.1 dev first',
    );
    const options = await instance.berthOk([
      'inspect',
      '-f',
      '{{json .NetworkSettings.Networks.lan.DriverOpts}}',
      'named',
    ]);
    expect(JSON.parse(options)).toEqual({ [`${ENDPOINT}.ifname`]: 'first' });
    await network('other', '10.203.2.0/24');
    expect(
      await refused('network', 'connect', '--driver-opt', `${ENDPOINT}.ifname=first`, 'other', 'named'),
    ).toContain('has an interface first already');
    await instance.berthOk(['rm', '-f', 'named']);
    await instance.berthOk(['network', 'rm', 'lan', 'other']);
  });

  it('set kernel parameters of an interface', async () => {
    const sysctls = 'net.ipv4.conf.IFNAME.log_martians=1,net.ipv4.neigh.IFNAME.ucast_solicit=7';
    const shown = 'cat /proc/sys/net/ipv4/conf/eth0/log_martians /proc/sys/net/ipv4/neigh/eth0/ucast_solicit';
    const body = {
      ...{ Image: 'busybox', Cmd: ['sh', '-c', shown] },
      NetworkingConfig: { EndpointsConfig: { bridge: { DriverOpts: { [`${ENDPOINT}.sysctls`]: sysctls } } } },
    };
    expect((await instance.api('POST /containers/create?name=tuned', body)).status).toBe(201);
    expect(await instance.berthOk(['start', '-a', 'tuned'])).toBe('1\n7');
    await instance.berthOk(['rm', 'tuned']);
    const unknown = `name=bridge,driver-opt=${ENDPOINT}.sysctls=net.ipv4.conf.IFNAME.nope=1`;
    expect(await refused('run', '--rm', '--network', unknown, 'busybox', 'true')).toContain(
      "the interface's sysctl net.ipv4.conf.IFNAME.nope=1 cannot be set: No such file or directory",
    );
  });

  it('route: others reach published ports by the address of the container, which keeps it on the way out', async () => {
    await network('routed', '10.203.3.0/24', '-o', `${BRIDGE}.gateway_mode_ipv4=routed`);
    const server = await serve('server', '--network', 'routed', '-p', '8080:80');
    await namespaces.serve(neighbour, 90);
    const reached = async () => ({
      published: await seenFrom(neighbour, '10.203.3.2', 80),
      other: await seenAtOnce(neighbour, '10.203.3.2', 81),
      byHost: await seenAtOnce(neighbour, neighbour.hostAddress, 8080),
    });
    const expected = { published: neighbour.address, other: undefined, byHost: undefined };
    expect(await reached()).toEqual(expected);
    expect((await inside(neighbour, 'ping', '-c1', '-w20', '10.203.3.2')).code).toBe(0);
    expect(await seenFrom(server, neighbour.address, 90)).toBe('10.203.3.2');
    const ports = await instance.berthOk(['inspect', '-f', '{{json .NetworkSettings.Ports}}', 'server']);
    expect(JSON.parse(ports)['80/tcp']).toContainEqual({ HostIp: '0.0.0.0', HostPort: '' });
    expect(await instance.berthOk(['ports', 'server'])).toMatch(
      /80\/tcp +10\.203\.3\.2:80 +this host, other hosts$/m,
    );
    await instance.killDaemon();
    await instance.startDaemon();
    expect(await reached()).toEqual(expected);
    await instance.berthOk(['rm', '-f', 'server']);
    await instance.berthOk(['network', 'rm', 'routed']);
  });

  it('open all ports of containers, or the published ones to what comes in by some interfaces', async () => {
    await network('open', '10.203.4.0/24', '-o', `${BRIDGE}.gateway_mode_ipv4=nat-unprotected`);
    await network('trusting', '10.203.5.0/24', '-o', `${BRIDGE}.trusted_host_interfaces=neighbour50:eth9`);
    await serve('opened', '--network', 'open');
    await serve('trusted', '--network', 'trusting', '-p', '127.0.0.1:8081:80');
    expect(await seenFrom(neighbour, '10.203.4.2', 81)).toBe(neighbour.address);
    expect(await seenFrom(neighbour, '10.203.5.2', 80)).toBe(neighbour.address);
    expect(await seenAtOnce(neighbour, '10.203.5.2', 81)).toBeUndefined();
    expect(await seenAtOnce(stranger, '10.203.5.2', 80)).toBeUndefined();
    await instance.berthOk(['rm', '-f', 'opened', 'trusted']);
    await instance.berthOk(['network', 'rm', 'open', 'trusting']);
  });

  it('route and open IPv6 by a mode of its own, beside an IPv4 that is translated', async () => {
    const six = await namespaces.neighbourWithIPv6(52);
    const create = (name: string, mode: string, number: number) =>
      network(
        name,
        `10.203.${number}.0/24`,
        ...['--ipv6', '--subnet', `fd00:203:${number}::/64`],
        ...['-o', `${BRIDGE}.gateway_mode_ipv6=${mode}`],
      );
    await create('routed6', 'routed', 8);
    await create('open6', 'nat-unprotected', 9);
    const routed = await serve('routed6', '--network', 'routed6', '-p', '8082:80', '-p', '8083:82');
    const open = await serve('open6', '--network', 'open6');
    for (const member of [routed, open])
      for (const port of [82, 83]) await namespaces.serve(member, port, '::');
    const reached = async () => ({
      published: await seenFrom(six, 'fd00:203:8::2', 82),
      other: await seenAtOnce(six, 'fd00:203:8::2', 83),
      byHost: await seenAtOnce(six, six.hostAddress, 8083),
      translated: await seenFrom(neighbour, neighbour.hostAddress, 8082),
      opened: await seenFrom(six, 'fd00:203:9::2', 83),
    });
    expect(await reached()).toEqual({
      published: six.address,
      other: undefined,
      byHost: undefined,
      translated: neighbour.address,
      opened: six.address,
    });
    await namespaces.serve(six, 90, '::');
    expect(await seenFrom(routed, six.address, 90)).toBe('fd00:203:8::2');
    expect(await seenFrom(open, six.address, 90)).toBe(six.hostAddress);
    await instance.berthOk(['rm', '-f', 'routed6', 'open6']);
    await instance.berthOk(['network', 'rm', 'routed6', 'open6']);
  });

  it('take the address of the host off the bridge', async () => {
    await network('inhibited', '10.203.6.0/24', '-o', `${BRIDGE}.inhibit_ipv4=true`);
    await network('isolated', '10.203.7.0/24', '--internal', '-o', `${BRIDGE}.gateway_mode_ipv4=isolated`);
    const addresses = (await inside('host', 'ip', '-4', '-o', 'addr')).stdout.toString();
    expect(addresses).not.toMatch(/10\.203\.[67]\./);
    const route = 'run --rm --network inhibited busybox ip route show default'.split(' ');
    expect(await instance.berthOk(route)).toContain('via 10.203.6.1');
    await instance.berthOk('run -d --name alone --network isolated busybox sleep 1000'.split(' '));
    const ask = (address: string) =>
      instance.berth(`run --rm --network isolated busybox ping -c1 -W1 ${address}`.split(' '));
    const addressOf = '{{.NetworkSettings.Networks.isolated.IPAddress}}';
    expect((await ask(await instance.berthOk(['inspect', '-f', addressOf, 'alone']))).code).toBe(0);
    expect((await ask('10.203.7.1')).code).toBe(1);
    const { body } = await instance.api('GET /networks/isolated');
    expect(body).toMatchObject({ IPAM: { Config: [{ Subnet: '10.203.7.0/24' }] } });
    expect(JSON.stringify(body)).not.toContain('"Gateway"');
    expect(await refused('network', 'create', '-o', `${BRIDGE}.gateway_mode_ipv4=isolated`, 'out')).toContain(
      "gateway mode 'isolated' can only be used for an internal network",
    );
    await instance.berthOk(['rm', '-f', 'alone']);
    await instance.berthOk(['network', 'rm', 'inhibited', 'isolated']);
  });

  it('that are not there are refused by name', async () => {
    expect(await refused('network', 'create', '-o', `${BRIDGE}.wings=2`, 'out')).toContain(
      `the network option "${BRIDGE}.wings"`,
    );
    const endpoint = `name=bridge,driver-opt=${ENDPOINT}.wings=2`;
    expect(await refused('run', '--rm', '--network', endpoint, 'busybox', 'true')).toContain(
      `the option "${ENDPOINT}.wings"`,
    );
  });
});
