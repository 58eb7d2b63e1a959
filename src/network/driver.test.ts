import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { newContainerId, newNetworkId, run, runChecked } from '../base/index.ts';
import type { BridgeNetwork, Endpoint, LinkedNetwork, NetworkDriver, NewBridge } from './contract.ts';
import { createNetworkDriver } from './driver.ts';
import { HeldNamespaces, inside, type Member, seenFrom } from './held-namespaces.fixture.ts';

const inSandbox = process.env.BERTH_SANDBOX !== undefined;

/** The address of a network's IPv6 subnet that ends in `host`. */
const addressIn = ({ ipv6 }: BridgeNetwork, host: string) => `${ipv6?.subnet.replace(/\/\d+$/, '')}${host}`;

/** Runs in a network namespace of the test run's own (scripts/test): it changes interfaces and rules. */
describe.runIf(inSandbox)('the network driver', () => {
  let namespaces: HeldNamespaces;
  let driver: NetworkDriver;
  beforeEach(async () => {
    namespaces = new HeldNamespaces();
    driver = await createNetworkDriver({ instance: 'nettest', namespaces, localSeed: 'a machine' });
    await driver.restore({ networks: [], endpoints: [], ports: [] });
  });
  afterEach(async () => {
    await driver.removeInstance();
    await driver[Symbol.asyncDispose]();
    await namespaces[Symbol.asyncDispose]();
  });

  const bridge = (name: string, options: Partial<NewBridge> = {}) =>
    driver.createBridge({ id: newNetworkId(), name, ...options });
  const join = async (network: LinkedNetwork, options = {}) => {
    const containerId = newContainerId();
    return { containerId, ...(await driver.connectNew(containerId, network, options)) };
  };
  const pings = async (from: Member | 'host', address: string) =>
    (await inside(from, 'ping', '-c1', '-W1', address)).code === 0;
  const linkNames = async () =>
    [...(await run('ip', ['-o', 'link'])).stdout.toString().matchAll(/^\d+: ([^:@]+)/gm)].map(
      ([, name]) => name ?? '',
    );
  const rules = async () => (await run('nft', ['list', 'table', 'inet', 'berth_nettest'])).stdout.toString();
  const defaultRoute = async (member: Member) =>
    (await inside(member, 'ip', 'route', 'get', '203.0.113.1')).stdout.toString();

  it('connects containers of one network, and gives them the address that they ask for', async () => {
    const network = await bridge('one', { subnet: '10.77.0.0/24' });
    const a = await join(network);
    const b = await join(network, { address: '10.77.0.9', macAddress: '02:00:00:00:00:09' });
    expect(a.endpoint).toMatchObject({ address: '10.77.0.2', macAddress: '02:42:0a:4d:00:02' });
    expect(b.endpoint).toMatchObject({ address: '10.77.0.9', containerInterface: 'eth0' });
    expect((await inside(b, 'ip', 'link', 'show', 'eth0')).stdout.toString()).toContain('02:00:00:00:00:09');
    expect(await pings(a, '10.77.0.9')).toBe(true);
    expect(await pings('host', '10.77.0.9')).toBe(true);
    await expect(join(network, { address: '10.77.0.9' })).rejects.toThrow(
      `belongs to container ${b.containerId.slice(0, 12)}`,
    );
    await expect(join(network, { address: '10.78.0.9' })).rejects.toThrow('not in the subnet');
    await expect(join(network, { macAddress: '01:00:00:00:00:00' })).rejects.toThrow('invalid MAC address');
  });

  it('lets containers out with the address of the host, and nobody in by their own address', async () => {
    const network = await bridge('out');
    const container = await join(network);
    const neighbour = await namespaces.neighbour(1);
    await namespaces.serve(neighbour, 80);
    await namespaces.serve(container, 80);
    expect(await seenFrom(container, neighbour.address, 80)).toBe(neighbour.hostAddress);
    expect(await seenFrom('host', container.endpoint.address, 80)).toBe(network.gateway);
    expect(await seenFrom(neighbour, container.endpoint.address, 80)).toBeUndefined();
    const port = { protocol: 'tcp', containerIp: container.endpoint.address, containerPort: 80 } as const;
    await driver.publish(container.containerId, [{ ...port, hostIp: '0.0.0.0', hostPort: 8080 }]);
    expect(await seenFrom(neighbour, container.endpoint.address, 80)).toBeUndefined();
  });

  it('keeps networks apart, and internal ones from everything', async () => {
    const [front, back, inner] = [
      await bridge('front'),
      await bridge('back'),
      await bridge('inner', { internal: true }),
    ];
    const [a, b, c, d] = [await join(front), await join(back), await join(inner), await join(inner)];
    const neighbour = await namespaces.neighbour(2);
    expect(await pings(c, d.endpoint.address)).toBe(true);
    const across = [pings(a, b.endpoint.address), pings(a, c.endpoint.address)];
    expect(await Promise.all(across)).toEqual([false, false]);
    expect((await inside(c, 'ip', 'route', 'show', 'default')).stdout.toString()).toBe('');
    // Even a container that may change its routes does not get out.
    await inside(c, 'ip', 'route', 'add', 'default', 'via', inner.gateway);
    const out = [pings(c, a.endpoint.address), pings(c, neighbour.address)];
    expect(await Promise.all(out)).toEqual([false, false]);
    expect(await pings(a, neighbour.address)).toBe(true);
  });

  it('separates the containers of a network that says so, which still reach out and published ports', async () => {
    const network = await bridge('separate', { separated: true });
    const [a, b] = [await join(network), await join(network)];
    const neighbour = await namespaces.neighbour(5);
    await namespaces.serve(b, 80);
    // Neither over the bridge nor by way of the host.
    await inside(a, 'ip', 'route', 'add', `${b.endpoint.address}/32`, 'via', network.gateway);
    expect(await Promise.all([pings(a, b.endpoint.address), pings(b, a.endpoint.address)])).toEqual([
      false,
      false,
    ]);
    expect(await seenFrom(a, b.endpoint.address, 80)).toBeUndefined();
    expect(await pings('host', b.endpoint.address)).toBe(true);
    expect(await pings(a, neighbour.address)).toBe(true);
    const port = { protocol: 'tcp', containerIp: b.endpoint.address, containerPort: 80 } as const;
    await driver.publish(b.containerId, [{ ...port, hostIp: '0.0.0.0', hostPort: 8083 }]);
    expect(await seenFrom(neighbour, neighbour.hostAddress, 8083)).toBe(neighbour.address);
    // Where the host filters bridged frames, as dockerd makes it, a translated packet stays on the bridge.
    await run('tee', ['/proc/sys/net/bridge/bridge-nf-call-iptables'], { input: '0' });
    expect(await seenFrom(a, network.gateway, 8083)).toBeDefined();
  });

  it('lets out the address of a container whose network keeps it', async () => {
    const network = await bridge('routed', { subnet: '10.79.0.0/24', keepsAddress: true });
    const container = await join(network);
    const neighbour = await namespaces.neighbour(6);
    await namespaces.serve(neighbour, 80);
    expect(await seenFrom(container, neighbour.address, 80)).toBe(container.endpoint.address);
  });

  it('gives a network IPv6 where it is asked for: its own, a way out, and published ports', async () => {
    const network = await bridge('six', { ipv6: {} });
    expect(network.ipv6?.subnet).toMatch(/^fd[0-9a-f]{2}:[0-9a-f:]+::\/64$/);
    const [a, b] = [await join(network), await join(network, { ipv6Address: addressIn(network, '99') })];
    expect(a.endpoint.ipv6?.address).toBe(addressIn(network, '2'));
    expect(b.endpoint.ipv6?.address).toBe(addressIn(network, '99'));
    expect(await pings(a, addressIn(network, '99'))).toBe(true);
    const neighbour = await namespaces.neighbourWithIPv6(7);
    await namespaces.serve(neighbour, 80, '::');
    await namespaces.serve(a, 80, '::');
    await namespaces.serve(b, 80, '::');
    const silent = { protocol: 'tcp', containerIp: addressIn(network, '99'), containerPort: 80 } as const;
    await driver.publish(b.containerId, [{ ...silent, hostIp: '::', hostPort: 8086 }]);
    await inside(neighbour, 'ping', '-c1', '-w9', neighbour.hostAddress); // until IPv6 is up on the link
    // The host has never heard of it: it must ask who has that address, for somebody else.
    expect(await seenFrom(neighbour, neighbour.hostAddress, 8086)).toBe(neighbour.address);
    expect(await seenFrom(a, neighbour.address, 80)).toBe(neighbour.hostAddress);
    expect(await seenFrom(neighbour, addressIn(network, '2'), 80)).toBeUndefined();
    const port = { protocol: 'tcp', containerIp: addressIn(network, '2'), containerPort: 80 } as const;
    await driver.publish(a.containerId, [{ ...port, hostIp: '::', hostPort: 8084 }]);
    expect(await seenFrom(neighbour, neighbour.hostAddress, 8084)).toBe(neighbour.address);
    expect(await seenFrom('host', neighbour.hostAddress, 8084)).toBe(neighbour.hostAddress);
    expect(await seenFrom(b, addressIn(network, '1'), 8084)).toBe(addressIn(network, '1'));

    const other = await bridge('six-too', { ipv6: {} });
    expect(other.ipv6?.subnet).not.toBe(network.ipv6?.subnet);
    expect(await pings(await join(other), addressIn(network, '99'))).toBe(false);
    await expect(join(await bridge('four'), { ipv6Address: 'fd00::1' })).rejects.toThrow('has no IPv6');
    await expect(join(network, { ipv6Address: addressIn(network, '99') })).rejects.toThrow(
      `belongs to container ${b.containerId.slice(0, 12)}`,
    );
  });

  it('keeps the addresses and ports of both families over a restart', async () => {
    const network = await bridge('both', { ipv6: { subnet: 'fd00:7::/64' }, internal: true });
    const { containerId, endpoint } = await join(network);
    const containerIp = 'fd00:7::2';
    const ports = [
      { protocol: 'tcp', hostIp: '::', hostPort: 8085, containerIp, containerPort: 80 } as const,
    ];
    await driver.publish(containerId, ports);
    const before = await rules();
    await driver.restore({ networks: [network], endpoints: [endpoint], ports: [{ containerId, ports }] });
    expect(sortedElements(await rules())).toBe(sortedElements(before));
    expect(before).toContain('tcp . 8085 : fd00:7::2 . 80');
    await driver.disconnect(endpoint);
    expect((await join(network, { ipv6Address: containerIp })).endpoint.ipv6).toEqual({
      address: containerIp,
      prefixLength: 64,
      gateway: undefined,
    });
  });

  it('puts containers beside the host on a link of its, with macvlan', async () => {
    const neighbour = await namespaces.neighbour(8);
    const range = { subnet: '198.18.8.0/24', gateway: neighbour.address, ipRange: '198.18.8.128/25' };
    const options = { parent: 'neighbour8', mode: 'bridge', ...range } as const;
    const network = await driver.createMacvlan({ id: newNetworkId(), name: 'lan', ...options });
    const [a, b] = [await join(network), await join(network, { macAddress: '02:00:00:00:00:77' })];
    expect(a.endpoint.address).toBe('198.18.8.128');
    await namespaces.serve(neighbour, 80);
    // With their own addresses, past all rules of the host, which they do not reach.
    expect(await seenFrom(a, neighbour.address, 80)).toBe('198.18.8.128');
    expect(await pings(a, b.endpoint.address)).toBe(true);
    expect(await pings(neighbour, b.endpoint.address)).toBe(true);
    expect(await pings(a, neighbour.hostAddress)).toBe(false);
    expect((await inside(b, 'ip', 'link', 'show', 'eth0')).stdout.toString()).toContain('02:00:00:00:00:77');

    const more = await driver.connect(a.containerId, await bridge('and'), a.namespace.path);
    expect(more.containerInterface).toBe('eth1');
    await driver.disconnect(a.endpoint, a.namespace.path);
    expect((await inside(a, 'ip', '-o', 'link')).stdout.toString()).not.toContain('eth0');
    expect((await join(network, { address: '198.18.8.128' })).endpoint.address).toBe('198.18.8.128');
    await driver.removeNetwork(network);
    const nowhere = driver.createMacvlan({
      id: newNetworkId(),
      name: 'x',
      parent: 'nowhere',
      mode: 'bridge',
    });
    await expect(nowhere).rejects.toThrow('the host has no interface nowhere for a macvlan network');
  });

  it('makes the link of a macvlan network without one, where the kernel has dummy interfaces', async () => {
    const { code } = await run('ip', ['link', 'add', 'dummytest', 'type', 'dummy']);
    await run('ip', ['link', 'del', 'dummytest']);
    const creation = driver.createMacvlan({ id: newNetworkId(), name: 'alone', mode: 'bridge' });
    if (code !== 0) {
      await expect(creation).rejects.toMatchObject({
        kind: 'unavailable',
        message: expect.stringContaining(
          'no dummy interfaces, which the macvlan network alone without a parent needs',
        ),
        hint: expect.stringContaining('Load the module dummy'),
      });
      return;
    }
    const network = await creation;
    const [a, b] = [await join(network), await join(network)];
    expect(a.endpoint.gateway).toBeUndefined();
    expect(await pings(a, b.endpoint.address)).toBe(true);
    await driver.removeNetwork(network);
    expect(await linkNames()).not.toContain(network.parent);
  });

  it('gives out addresses of the range asked for, but for reserved ones', async () => {
    const range = { subnet: '10.80.0.0/24', ipRange: '10.80.0.16/30', reserved: { router: '10.80.0.17' } };
    const network = await bridge('range', range);
    const addresses = [await join(network), await join(network), await join(network)];
    expect(addresses.map(({ endpoint }) => endpoint.address)).toEqual([
      '10.80.0.16',
      '10.80.0.18',
      '10.80.0.19',
    ]);
    await expect(join(network)).rejects.toThrow('no address is free in network range: all 4 are taken');
    expect((await join(network, { address: '10.80.0.99' })).endpoint.prefixLength).toBe(24);
    await expect(join(network, { address: '10.80.0.17' })).rejects.toThrow('the auxiliary address router');
    const wrong = [{ ipRange: '10.81.0.0/28' }, { ipRange: '10.80.0.0/16' }, { reserved: { a: '10.9.0.1' } }];
    for (const options of wrong) {
      await expect(bridge('wrong', { subnet: '10.82.0.0/24', ...options })).rejects.toThrow(/no part|not in/);
    }
  });

  it('publishes a port on the addresses asked for, for neighbours and for containers by the host', async () => {
    const network = await bridge('web');
    const server = await join(network);
    const client = await join(network);
    const other = await join(await bridge('elsewhere'));
    const neighbour = await namespaces.neighbour(3);
    const { hostAddress } = neighbour;
    await namespaces.serve(server, 80);
    const port = { protocol: 'tcp', containerIp: server.endpoint.address, containerPort: 80 } as const;
    await driver.publish(server.containerId, [
      { ...port, hostIp: '0.0.0.0', hostPort: 8080 },
      { ...port, hostIp: '127.0.0.1', hostPort: 8081 },
      { ...port, hostIp: hostAddress, hostPort: 8082 },
    ]);
    // Neighbours and other networks keep their address, the server's own network gets the gateway's.
    expect(await seenFrom(neighbour, hostAddress, 8080)).toBe(neighbour.address);
    expect(await seenFrom(other, network.gateway, 8080)).toBe(other.endpoint.address);
    expect(await seenFrom(client, network.gateway, 8080)).toBe(network.gateway);
    expect(await seenFrom(server, network.gateway, 8080)).toBe(network.gateway);
    expect(await seenFrom('host', hostAddress, 8080)).toBe(hostAddress);
    expect(await seenFrom(neighbour, hostAddress, 8081)).toBeUndefined();
    expect(await seenFrom(client, network.gateway, 8081)).toBeUndefined();
    expect(await seenFrom(neighbour, hostAddress, 8082)).toBe(neighbour.address);
    expect(await seenFrom(client, network.gateway, 8082)).toBeUndefined();

    const rival = newContainerId();
    await expect(driver.publish(rival, [{ ...port, hostIp: '0.0.0.0', hostPort: 8080 }])).rejects.toThrow(
      `published by container ${server.containerId.slice(0, 12)} already`,
    );
    await driver.unpublish(server.containerId);
    await driver.unpublish(server.containerId);
    expect(await seenFrom(neighbour, hostAddress, 8080)).toBeUndefined();
    expect(await rules()).not.toContain('808');
  });

  it('keeps a port on loopback from neighbours where the host routes loopback addresses', async () => {
    const neighbour = await namespaces.neighbour(4);
    const container = await join(await bridge('local'));
    const host = { namespace: { handle: 0, path: '/proc/self/ns/net' } };
    await namespaces.serve(host, 8081);
    const setting = '/proc/sys/net/ipv4/conf/neighbour4/route_localnet';
    await run('tee', [setting], { input: '1' });
    await inside(neighbour, 'ip', 'addr', 'del', '127.0.0.1/8', 'dev', 'lo');
    await inside(neighbour, 'ip', 'route', 'del', 'local', '127.0.0.0/8', 'dev', 'lo', 'table', 'local');
    await inside(neighbour, 'tee', '/proc/sys/net/ipv4/conf/eth0/route_localnet');
    await run(
      'nsenter',
      [`--net=${neighbour.namespace.path}`, 'tee', '/proc/sys/net/ipv4/conf/eth0/route_localnet'],
      {
        input: '1',
      },
    );
    await inside(neighbour, 'ip', 'route', 'add', '127.0.0.0/8', 'via', neighbour.hostAddress);
    expect(await seenFrom(neighbour, '127.0.0.1', 8081)).toBe(neighbour.address);
    const port = { protocol: 'tcp', containerIp: container.endpoint.address, containerPort: 80 } as const;
    await driver.publish(container.containerId, [{ ...port, hostIp: '127.0.0.1', hostPort: 8081 }]);
    expect(await seenFrom(neighbour, '127.0.0.1', 8081)).toBeUndefined();
    expect(await seenFrom('host', '127.0.0.1', 8081)).toBe('127.0.0.1');
  });

  it("honours a rule of the host's own that drops a published port", async () => {
    const server = await join(await bridge('web'));
    const neighbour = await namespaces.neighbour(5);
    await namespaces.serve(server, 80);
    const port = { protocol: 'tcp', containerIp: server.endpoint.address, containerPort: 80 } as const;
    await driver.publish(server.containerId, [{ ...port, hostIp: '0.0.0.0', hostPort: 8080 }]);
    expect(await seenFrom(neighbour, neighbour.hostAddress, 8080)).toBe(neighbour.address);
    for (const priority of ['-10', '10']) {
      const rule = `table inet mine { chain f { type filter hook forward priority ${priority}; tcp dport 80 drop; }; }`;
      await runChecked('nft', ['-f', '-'], { input: rule });
      expect(await seenFrom(neighbour, neighbour.hostAddress, 8080)).toBeUndefined();
      await run('nft', ['delete', 'table', 'inet', 'mine']);
    }
    await run('iptables', ['-P', 'FORWARD', 'DROP']);
    expect(await seenFrom(neighbour, neighbour.hostAddress, 8080)).toBeUndefined();
    await run('iptables', ['-P', 'FORWARD', 'ACCEPT']);
    expect(await seenFrom(neighbour, neighbour.hostAddress, 8080)).toBe(neighbour.address);
  });

  it("lets containers out beside a dockerd, but not past the user's own rules", async () => {
    const dockerd = ['*filter', ':FORWARD DROP', ':DOCKER-USER -', '-A FORWARD -j DOCKER-USER', 'COMMIT', ''];
    await runChecked('iptables-restore', ['--noflush'], { input: dockerd.join('\n') });
    const forward = async () => (await runChecked('iptables', ['-S', 'FORWARD'])).stdout.toString();
    try {
      const neighbour = await namespaces.neighbour(8);
      const network = await bridge('out');
      const container = await join(network);
      expect(await pings(container, neighbour.address)).toBe(true);
      await runChecked('iptables', ['-I', 'FORWARD', '2', '-d', neighbour.address, '-j', 'DROP']);
      expect(await pings(container, neighbour.address)).toBe(false);
      await driver.restore({ networks: [network], endpoints: [container.endpoint], ports: [] });
      expect(await pings(container, neighbour.address)).toBe(false);
      await driver.disconnect(container.endpoint);
      await driver.removeNetwork(network);
      expect(await forward()).not.toContain(network.bridge);
      await bridge('again');
      expect(await forward()).toContain('berth_nettest');
      await driver.removeInstance();
      expect(await forward()).not.toContain('berth_nettest');
    } finally {
      await runChecked('nft', ['flush', 'ruleset']);
    }
  });

  it('connects a running container to further networks, whose routes take over from each other', async () => {
    const [front, back] = [await bridge('front'), await bridge('back')];
    const container = await join(front);
    const peer = await join(back);
    const second = await driver.connect(container.containerId, back, container.namespace.path);
    expect(second.containerInterface).toBe('eth1');
    expect(await pings(container, peer.endpoint.address)).toBe(true);
    expect(await defaultRoute(container)).toContain(`via ${front.gateway} dev eth0`);
    await driver.disconnect(container.endpoint);
    expect(await defaultRoute(container)).toContain(`via ${back.gateway} dev eth1`);
    await driver.disconnect(container.endpoint);
    const third = await driver.connect(container.containerId, front, container.namespace.path);
    expect(third.containerInterface).toBe('eth0');
  });

  it('frees an address once, and forgives that the namespace is gone', async () => {
    const network = await bridge('short', { subnet: '10.76.0.0/29' });
    const members = await Promise.all([1, 2, 3, 4, 5].map(() => join(network)));
    await expect(join(network)).rejects.toThrow('no address is free in network short: all 6 are taken');
    const [first] = members;
    if (first === undefined) throw new Error('no member');
    await namespaces.release(first.namespace);
    await driver.disconnect(first.endpoint);
    await driver.disconnect(first.endpoint);
    expect((await join(network)).endpoint.address).toBe(first.endpoint.address);
    await expect(join(network)).rejects.toThrow('no address is free');
  });

  it('puts back what was flushed, takes living addresses as used, and removes what has no record', async () => {
    const network = await bridge('kept', { subnet: '10.79.0.0/24' });
    const dead = await bridge('dead', { bridge: 'mybridge' });
    const [a, b] = [await join(network), await join(network)];
    const gone = await join(dead);
    await namespaces.serve(a, 80);
    const neighbour = await namespaces.neighbour(6);
    const port = { protocol: 'tcp', containerIp: a.endpoint.address, containerPort: 80 } as const;
    const ports = [{ ...port, hostIp: '0.0.0.0', hostPort: 8080 }];
    // What a kill and a reboot of the firewall leave.
    await driver[Symbol.asyncDispose]();
    await run('nft', ['flush', 'ruleset']);
    await run('ip', ['link', 'del', network.bridge]);

    driver = await createNetworkDriver({ instance: 'nettest', namespaces, localSeed: 'a machine' });
    await driver.restore({
      networks: [network],
      endpoints: [a.endpoint, b.endpoint],
      ports: [{ containerId: a.containerId, ports }],
    });
    expect(await pings(a, b.endpoint.address)).toBe(true);
    expect(await seenFrom(neighbour, neighbour.hostAddress, 8080)).toBe(neighbour.address);
    const links = await linkNames();
    expect(links).toContain(a.endpoint.hostInterface);
    expect(links).not.toContain(gone.endpoint.hostInterface);
    expect(links).not.toContain('mybridge');
    const { endpoint } = await driver.connectNew(newContainerId(), network);
    expect(endpoint.address).toBe('10.79.0.4');
    await driver.unpublish(a.containerId);
    expect(await seenFrom(neighbour, neighbour.hostAddress, 8080)).toBeUndefined();
  });

  it('puts its table back as soon as somebody flushes it', async () => {
    const network = await bridge('web');
    const server = await join(network);
    const neighbour = await namespaces.neighbour(7);
    await namespaces.serve(server, 80);
    const port = { protocol: 'tcp', containerIp: server.endpoint.address, containerPort: 80 } as const;
    await driver.publish(server.containerId, [{ ...port, hostIp: '0.0.0.0', hostPort: 8080 }]);
    await run('nft', ['flush', 'ruleset']);
    await expect.poll(rules).toContain(network.bridge);
    expect(await seenFrom(neighbour, neighbour.hostAddress, 8080)).toBe(neighbour.address);
  });

  it('puts its table back when the next change finds it flushed', async () => {
    const network = await bridge('web');
    const server = await join(network);
    const neighbour = await namespaces.neighbour(7);
    await namespaces.serve(server, 80);
    await run('nft', ['flush', 'ruleset']);
    const port = { protocol: 'tcp', containerIp: server.endpoint.address, containerPort: 80 } as const;
    await driver.publish(server.containerId, [{ ...port, hostIp: '0.0.0.0', hostPort: 8080 }]);
    expect(await seenFrom(neighbour, neighbour.hostAddress, 8080)).toBe(neighbour.address);
    await run('nft', ['flush', 'ruleset']);
    await driver.unpublish(server.containerId);
    expect(await rules()).toContain(network.bridge);
  });

  it('starts from spare namespaces, and does without one that somebody broke', async () => {
    const network = await bridge('fast');
    const spares = async () => {
      await expect.poll(async () => namespaces.count).toBe(3);
      return (await linkNames()).filter((name) => /^vnettest[0-9a-f]{7}$/.test(name));
    };
    await expect.poll(async () => (await spares()).length).toBe(3);
    const ready = await spares();
    const container = await join(network);
    expect(ready).toContain(container.endpoint.hostInterface);
    for (const name of ready) {
      if (name !== container.endpoint.hostInterface) await run('ip', ['link', 'del', name]);
    }
    const next = await join(network);
    expect(await pings(next, container.endpoint.address)).toBe(true);
  });

  it('makes no spare namespace while a start is under way', async () => {
    const network = await bridge('busy');
    await expect.poll(async () => namespaces.count).toBe(3);
    {
      using _start = driver.holdSpares();
      await join(network);
      await join(network); // time enough to make one
      expect(namespaces.count).toBe(3);
    }
    await expect.poll(async () => namespaces.count).toBe(5);
  });

  it('chooses subnets that nobody uses and names what a chosen one overlaps with', async () => {
    const first = await bridge('first');
    const second = await bridge('second');
    expect(first.subnet).not.toBe(second.subnet);
    await expect(bridge('third', { subnet: first.subnet })).rejects.toThrow('overlaps with network first');
    await run('ip', ['link', 'add', 'vpn0', 'type', 'bridge']);
    await run('ip', ['addr', 'add', '10.99.0.1/16', 'dev', 'vpn0']);
    await run('ip', ['link', 'set', 'vpn0', 'up']);
    await expect(bridge('third', { subnet: '10.99.7.0/24' })).rejects.toThrow(
      "the host's route to 10.99.0.0/16 on vpn0",
    );
    await run('ip', ['link', 'del', 'vpn0']);
  });

  it('gives way to another engine that chooses the same subnet at the same moment', async () => {
    await using other = await createNetworkDriver({
      localSeed: 'a machine',
      instance: 'netother',
      namespaces,
    });
    await other.restore({ networks: [], endpoints: [], ports: [] });
    const names = Array.from({ length: 6 }, (_, index) => `n${index}`);
    const make = async (by: NetworkDriver) => {
      const made: string[] = [];
      for (const name of names) made.push((await by.createBridge({ id: newNetworkId(), name })).subnet);
      return made;
    };
    const subnets = (await Promise.all([make(driver), make(other)])).flat();
    expect(new Set(subnets).size).toBe(2 * names.length);
    await other.removeInstance();
  });

  it('says which networks hold a pool of subnets that is full', async () => {
    await using small = await createNetworkDriver({
      localSeed: 'a machine',
      instance: 'netsmall',
      namespaces,
      addressPools: [{ base: '10.75.0.0/23', size: 24 }],
    });
    await small.restore({ networks: [], endpoints: [], ports: [] });
    await small.createBridge({ id: newNetworkId(), name: 'one' });
    await small.createBridge({ id: newNetworkId(), name: 'two' });
    await expect(small.createBridge({ id: newNetworkId(), name: 'three' })).rejects.toThrow(
      /every subnet of 10.75.0.0\/23 is taken, by network one, network two/,
    );
    await small.removeInstance();
  });

  it.each([
    [{ subnet: '10.1.2.3/24' }, 'it should be 10.1.2.0/24'],
    [{ subnet: '10.1.2.0/31' }, 'no room for containers'],
    [{ subnet: '10.1.2.0/24', gateway: '10.1.3.1' }, 'invalid gateway 10.1.3.1'],
    [{ gateway: '10.1.3.1' }, 'has the gateway 10.1.3.1 but no subnet'],
    [{ mtu: 12 }, 'invalid MTU 12'],
    [{ bridge: 'a b; flush ruleset' }, 'invalid interface name'],
    [{ bridge: 'lo' }, 'the interface lo exists on this host already'],
  ])('refuses a network with %o and leaves nothing of it', async (options, reason) => {
    const before = await linkNames();
    await expect(bridge('bad', options)).rejects.toThrow(reason);
    expect(await linkNames()).toEqual(expect.arrayContaining(before));
    expect(await rules()).not.toContain('elements');
  });

  it('tells a full bridge by its network', async () => {
    const network = await bridge('crowd');
    const crowd = Array.from({ length: 1023 }, (_, index): Endpoint => {
      const address = `172.24.${1 + (index >> 8)}.${index & 255}`;
      return {
        containerId: newContainerId(),
        networkId: network.id,
        address,
        prefixLength: 20,
        gateway: network.gateway,
        macAddress: '02:42:00:00:00:00',
        hostInterface: `vnettest${index}`,
        containerInterface: 'eth0',
      };
    });
    await driver.restore({ networks: [network], endpoints: crowd, ports: [] });
    await expect(join(network)).rejects.toThrow('network crowd is full: a bridge ends at 1023 interfaces');
  });

  it('tells by its network what the kernel says of a bridge without a place', async () => {
    const network = await bridge('places');
    const first = await join(network);
    // The other ends are on the bridge too, so that half as many pairs fill it: 1,023 ports with the container's.
    const pairs = Array.from({ length: 511 }, (_, index) => [`fill${index}a`, `fill${index}b`] as const);
    const commands = pairs.flatMap(([one, other]) => [
      `link add ${one} group 4711 master ${network.bridge} type veth peer name ${other}`,
      `link set ${other} group 4711 master ${network.bridge}`,
    ]);
    await runChecked('ip', ['-batch', '-'], { input: `${commands.join('\n')}\n` });
    const full = 'network places is full: a bridge ends at 1023 interfaces';
    await expect(join(network)).rejects.toThrow(full);
    const other = await join(await bridge('elsewhere'));
    await expect(driver.connect(other.containerId, network, other.namespace.path)).rejects.toThrow(full);
    expect((await inside(other, 'ip', '-o', 'link')).stdout.toString()).not.toContain('eth1');
    await driver.disconnect(first.endpoint);
    // Not by traffic: the kernel takes its time to tell a bridge of so many links that one is up.
    const next = await join(network);
    expect((await inside(next, 'ip', '-o', 'link')).stdout.toString()).toContain('eth0');
    await runChecked('ip', ['link', 'del', 'group', '4711']);
  });

  it('keeps one table whose rules do not grow with containers', async () => {
    const network = await bridge('bridge', { subnet: '10.74.0.0/24' });
    await bridge('inner', { subnet: '10.73.0.0/24', internal: true, bridge: 'inner0' });
    const { containerId, endpoint } = await join(network);
    const port = { protocol: 'tcp', containerIp: endpoint.address, containerPort: 80 } as const;
    await driver.publish(containerId, [
      { ...port, hostIp: '0.0.0.0', hostPort: 8080 },
      { ...port, hostIp: '127.0.0.1', hostPort: 8081 },
      { ...port, hostIp: '192.0.2.1', hostPort: 8082 },
      { ...port, hostIp: '::', hostPort: 8080 },
    ]);
    await expect(sortedElements(await rules())).toMatchFileSnapshot('firewall.golden.nft');
    const inPlace = await rules();
    await driver.publish(newContainerId(), [{ ...port, hostIp: '0.0.0.0', hostPort: 8083 }]);
    await driver.restore({
      networks: [network],
      endpoints: [endpoint],
      ports: [],
    });
    const chains = (listing: string) => listing.slice(listing.indexOf('chain '));
    expect(chains(await rules())).toBe(chains(inPlace));
  });

  it('leaves nothing on the host when its instance is removed', async () => {
    await join(await bridge('gone', { bridge: 'gonebridge' }));
    await join(await bridge('bridge'));
    await driver.removeInstance();
    expect((await run('nft', ['list', 'tables'])).stdout.toString()).not.toContain('berth_nettest');
    expect((await linkNames()).filter((name) => /nettest|gonebridge/.test(name))).toEqual([]);
    await driver.removeInstance();
  });
});

/** A set's elements come in the order of a hash that the kernel salts. */
function sortedElements(listing: string): string {
  return listing.replace(/elements = \{ ([^}]*) \}/g, (_, elements: string) => {
    const sorted = elements.split(/,\s+/).sort();
    return `elements = { ${sorted.join(', ')} }`;
  });
}
