import { describe, expect } from 'vitest';
import { newContainerId, run, runChecked } from '../base/index.ts';
import { inSandbox, it, pings, reaches, rules, sortedElements } from './driver.fixture.ts';
import { inside, seenAtOnce, seenFrom } from './held-namespaces.fixture.ts';

describe.runIf(inSandbox)('ports and rules of the network driver', () => {
  it('publishes a port on the addresses asked for, for neighbours and for containers by the host', async ({
    namespaces,
    driver,
    bridge,
    join,
  }) => {
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
    expect(await seenAtOnce(neighbour, hostAddress, 8081)).toBeUndefined();
    expect(await seenAtOnce(client, network.gateway, 8081)).toBeUndefined();
    expect(await seenFrom(neighbour, hostAddress, 8082)).toBe(neighbour.address);
    expect(await seenAtOnce(client, network.gateway, 8082)).toBeUndefined();

    const rival = newContainerId();
    await expect(driver.publish(rival, [{ ...port, hostIp: '0.0.0.0', hostPort: 8080 }])).rejects.toThrow(
      `published by container ${server.containerId.slice(0, 12)} already`,
    );
    await driver.unpublish(server.containerId);
    await driver.unpublish(server.containerId);
    expect(await seenAtOnce(neighbour, hostAddress, 8080)).toBeUndefined();
    expect(await rules()).not.toContain('808');
  });

  it('keeps a port on loopback from neighbours where the host routes loopback addresses', async ({
    namespaces,
    driver,
    bridge,
    join,
  }) => {
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
    expect(await seenAtOnce(neighbour, '127.0.0.1', 8081)).toBeUndefined();
    expect(await seenFrom('host', '127.0.0.1', 8081)).toBe('127.0.0.1');
  });

  it("honours a rule of the host's own that drops a published port", async ({
    namespaces,
    driver,
    bridge,
    join,
  }) => {
    const server = await join(await bridge('web'));
    const neighbour = await namespaces.neighbour(5);
    await namespaces.serve(server, 80);
    const port = { protocol: 'tcp', containerIp: server.endpoint.address, containerPort: 80 } as const;
    await driver.publish(server.containerId, [{ ...port, hostIp: '0.0.0.0', hostPort: 8080 }]);
    expect(await seenFrom(neighbour, neighbour.hostAddress, 8080)).toBe(neighbour.address);
    for (const priority of ['-10', '10']) {
      const rule = `table inet mine { chain f { type filter hook forward priority ${priority}; tcp dport 80 drop; }; }`;
      await runChecked('nft', ['-f', '-'], { input: rule });
      expect(await seenAtOnce(neighbour, neighbour.hostAddress, 8080)).toBeUndefined();
      await run('nft', ['delete', 'table', 'inet', 'mine']);
    }
    await run('iptables', ['-P', 'FORWARD', 'DROP']);
    expect(await seenAtOnce(neighbour, neighbour.hostAddress, 8080)).toBeUndefined();
    await run('iptables', ['-P', 'FORWARD', 'ACCEPT']);
    expect(await seenFrom(neighbour, neighbour.hostAddress, 8080)).toBe(neighbour.address);
  });

  it("lets containers out beside a dockerd, but not past the user's own rules", async ({
    namespaces,
    driver,
    bridge,
    join,
  }) => {
    const dockerd = ['*filter', ':FORWARD DROP', ':DOCKER-USER -', '-A FORWARD -j DOCKER-USER', 'COMMIT', ''];
    await runChecked('iptables-restore', ['--noflush'], { input: dockerd.join('\n') });
    const forward = async () => (await runChecked('iptables', ['-S', 'FORWARD'])).stdout.toString();
    try {
      const neighbour = await namespaces.neighbour(8);
      const network = await bridge('out');
      const container = await join(network);
      expect(await reaches(container, neighbour.address)).toBe(true);
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

  it('keeps one table whose rules do not grow with containers', async ({ driver, bridge, join }) => {
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
});
