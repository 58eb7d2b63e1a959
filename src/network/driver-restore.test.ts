import { describe, expect } from 'vitest';
import { newContainerId, run } from '../base/index.ts';
import { inSandbox, it, linkNames, reaches, rules, sortedElements, startDriver } from './driver.fixture.ts';
import { seenAtOnce, seenFrom } from './held-namespaces.fixture.ts';

describe.runIf(inSandbox)('what the network driver keeps and puts back', () => {
  it('keeps the addresses and ports of both families over a restart', async ({ driver, bridge, join }) => {
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

  it('puts back what was flushed, takes living addresses as used, and removes what has no record', async ({
    namespaces,
    driver,
    bridge,
    join,
  }) => {
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

    await using restarted = await startDriver(namespaces);
    await restarted.restore({
      networks: [network],
      endpoints: [a.endpoint, b.endpoint],
      ports: [{ containerId: a.containerId, ports }],
    });
    expect(await reaches(a, b.endpoint.address)).toBe(true);
    expect(await seenFrom(neighbour, neighbour.hostAddress, 8080)).toBe(neighbour.address);
    const links = await linkNames();
    expect(links).toContain(a.endpoint.hostInterface);
    expect(links).not.toContain(gone.endpoint.hostInterface);
    expect(links).not.toContain('mybridge');
    const { endpoint } = await restarted.connectNew(newContainerId(), network);
    expect(endpoint.address).toBe('10.79.0.4');
    await restarted.unpublish(a.containerId);
    expect(await seenAtOnce(neighbour, neighbour.hostAddress, 8080)).toBeUndefined();
  });

  it('puts its table back as soon as somebody flushes it', async ({ namespaces, driver, bridge, join }) => {
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

  it('puts its table back when the next change finds it flushed', async ({
    namespaces,
    driver,
    bridge,
    join,
  }) => {
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

  it('leaves nothing on the host when its instance is removed', async ({ driver, bridge, join }) => {
    await join(await bridge('gone', { bridge: 'gonebridge' }));
    await join(await bridge('bridge'));
    await driver.removeInstance();
    expect((await run('nft', ['list', 'tables'])).stdout.toString()).not.toContain('berth_nettest');
    expect((await linkNames()).filter((name) => /nettest|gonebridge/.test(name))).toEqual([]);
    await driver.removeInstance();
  });
});
