import { describe, expect } from 'vitest';
import { run } from '../base/index.ts';
import { addressIn, defaultRoute, inSandbox, it, linkNames, pings, reaches } from './driver.fixture.ts';
import { inside, seenAtOnce, seenFrom } from './held-namespaces.fixture.ts';

describe.runIf(inSandbox)('the network driver', () => {
  it('connects containers of one network, and gives them the address that they ask for', async ({
    bridge,
    join,
  }) => {
    const network = await bridge('one', { subnet: '10.77.0.0/24' });
    const a = await join(network);
    const b = await join(network, { address: '10.77.0.9', macAddress: '02:00:00:00:00:09' });
    expect(a.endpoint).toMatchObject({ address: '10.77.0.2', macAddress: '02:42:0a:4d:00:02' });
    expect(b.endpoint).toMatchObject({ address: '10.77.0.9', containerInterface: 'eth0' });
    expect((await inside(b, 'ip', 'link', 'show', 'eth0')).stdout.toString()).toContain('02:00:00:00:00:09');
    expect(await reaches(a, '10.77.0.9')).toBe(true);
    expect(await reaches('host', '10.77.0.9')).toBe(true);
    await expect(join(network, { address: '10.77.0.9' })).rejects.toThrow(
      `belongs to container ${b.containerId.slice(0, 12)}`,
    );
    await expect(join(network, { address: '10.78.0.9' })).rejects.toThrow('not in the subnet');
    await expect(join(network, { macAddress: '01:00:00:00:00:00' })).rejects.toThrow('invalid MAC address');
  });

  it('lets containers out with the address of the host, and nobody in by their own address', async ({
    namespaces,
    driver,
    bridge,
    join,
  }) => {
    const network = await bridge('out');
    const container = await join(network);
    const neighbour = await namespaces.neighbour(1);
    await namespaces.serve(neighbour, 80);
    await namespaces.serve(container, 80);
    expect(await seenFrom(container, neighbour.address, 80)).toBe(neighbour.hostAddress);
    expect(await seenFrom('host', container.endpoint.address, 80)).toBe(network.gateway);
    expect(await seenAtOnce(neighbour, container.endpoint.address, 80)).toBeUndefined();
    const port = { protocol: 'tcp', containerIp: container.endpoint.address, containerPort: 80 } as const;
    await driver.publish(container.containerId, [{ ...port, hostIp: '0.0.0.0', hostPort: 8080 }]);
    expect(await seenAtOnce(neighbour, container.endpoint.address, 80)).toBeUndefined();
  });

  it('keeps networks apart, and internal ones from everything', async ({ namespaces, bridge, join }) => {
    const [front, back, inner] = [
      await bridge('front'),
      await bridge('back'),
      await bridge('inner', { internal: true }),
    ];
    const [a, b, c, d] = [await join(front), await join(back), await join(inner), await join(inner)];
    const neighbour = await namespaces.neighbour(2);
    expect(await reaches(c, d.endpoint.address)).toBe(true);
    const across = [pings(a, b.endpoint.address), pings(a, c.endpoint.address)];
    expect(await Promise.all(across)).toEqual([false, false]);
    expect((await inside(c, 'ip', 'route', 'show', 'default')).stdout.toString()).toBe('');
    // Even a container that may change its routes does not get out.
    await inside(c, 'ip', 'route', 'add', 'default', 'via', inner.gateway);
    const out = [pings(c, a.endpoint.address), pings(c, neighbour.address)];
    expect(await Promise.all(out)).toEqual([false, false]);
    expect(await reaches(a, neighbour.address)).toBe(true);
  });

  it('separates the containers of a network that says so, which still reach out and published ports', async ({
    namespaces,
    driver,
    bridge,
    join,
  }) => {
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
    expect(await seenAtOnce(a, b.endpoint.address, 80)).toBeUndefined();
    expect(await reaches('host', b.endpoint.address)).toBe(true);
    expect(await reaches(a, neighbour.address)).toBe(true);
    const port = { protocol: 'tcp', containerIp: b.endpoint.address, containerPort: 80 } as const;
    await driver.publish(b.containerId, [{ ...port, hostIp: '0.0.0.0', hostPort: 8083 }]);
    expect(await seenFrom(neighbour, neighbour.hostAddress, 8083)).toBe(neighbour.address);
    // Where the host filters bridged frames, as dockerd makes it, a translated packet stays on the bridge.
    await run('tee', ['/proc/sys/net/bridge/bridge-nf-call-iptables'], { input: '0' });
    expect(await seenFrom(a, network.gateway, 8083)).toBeDefined();
  });

  it('lets out the address of a container whose network keeps it', async ({ namespaces, bridge, join }) => {
    const network = await bridge('routed', { subnet: '10.79.0.0/24', keepsAddress: true });
    const container = await join(network);
    const neighbour = await namespaces.neighbour(6);
    await namespaces.serve(neighbour, 80);
    expect(await seenFrom(container, neighbour.address, 80)).toBe(container.endpoint.address);
  });

  it('gives a network IPv6 where it is asked for: its own, a way out, and published ports', async ({
    namespaces,
    driver,
    bridge,
    join,
  }) => {
    const network = await bridge('six', { ipv6: {} });
    expect(network.ipv6?.subnet).toMatch(/^fd[0-9a-f]{2}:[0-9a-f:]+::\/64$/);
    const [a, b] = [await join(network), await join(network, { ipv6Address: addressIn(network, '99') })];
    expect(a.endpoint.ipv6?.address).toBe(addressIn(network, '2'));
    expect(b.endpoint.ipv6?.address).toBe(addressIn(network, '99'));
    expect(await reaches(a, addressIn(network, '99'))).toBe(true);
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
    expect(await seenAtOnce(neighbour, addressIn(network, '2'), 80)).toBeUndefined();
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

  it('connects a running container to further networks, whose routes take over from each other', async ({
    driver,
    bridge,
    join,
  }) => {
    const [front, back] = [await bridge('front'), await bridge('back')];
    const container = await join(front);
    const peer = await join(back);
    const second = await driver.connect(container.containerId, back, container.namespace.path);
    expect(second.containerInterface).toBe('eth1');
    expect(await reaches(container, peer.endpoint.address)).toBe(true);
    expect(await defaultRoute(container)).toContain(`via ${front.gateway} dev eth0`);
    await driver.disconnect(container.endpoint);
    expect(await defaultRoute(container)).toContain(`via ${back.gateway} dev eth1`);
    await driver.disconnect(container.endpoint);
    const third = await driver.connect(container.containerId, front, container.namespace.path);
    expect(third.containerInterface).toBe('eth0');
  });

  it('frees an address once, and forgives that the namespace is gone', async ({
    namespaces,
    driver,
    bridge,
    join,
  }) => {
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

  it('starts from spare namespaces, and does without one that somebody broke', async ({
    namespaces,
    bridge,
    join,
  }) => {
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
    expect(await reaches(next, container.endpoint.address)).toBe(true);
  });

  it('makes no spare namespace while a start is under way', async ({ namespaces, driver, bridge, join }) => {
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
});
