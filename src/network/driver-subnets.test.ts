import { describe, expect } from 'vitest';
import { newContainerId, newNetworkId, run, runChecked } from '../base/index.ts';
import type { Endpoint, NetworkDriver, NewBridge } from './contract.ts';
import { inSandbox, it, linkNames, rules } from './driver.fixture.ts';
import { createNetworkDriver } from './driver.ts';
import { inside } from './held-namespaces.fixture.ts';

describe.runIf(inSandbox)('subnets and places of the network driver', () => {
  it('gives out addresses of the range asked for, but for reserved ones', async ({ bridge, join }) => {
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

  it('chooses subnets that nobody uses and names what a chosen one overlaps with', async ({ bridge }) => {
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

  it('gives way to another engine that chooses the same subnet at the same moment', async ({
    namespaces,
    driver,
  }) => {
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

  it('says which networks hold a pool of subnets that is full', async ({ namespaces }) => {
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

  it.for<[Partial<NewBridge>, string]>([
    [{ subnet: '10.1.2.3/24' }, 'it should be 10.1.2.0/24'],
    [{ subnet: '10.1.2.0/31' }, 'no room for containers'],
    [{ subnet: '10.1.2.0/24', gateway: '10.1.3.1' }, 'invalid gateway 10.1.3.1'],
    [{ gateway: '10.1.3.1' }, 'has the gateway 10.1.3.1 but no subnet'],
    [{ mtu: 12 }, 'invalid MTU 12'],
    [{ bridge: 'a b; flush ruleset' }, 'invalid interface name'],
    [{ bridge: 'lo' }, 'the interface lo exists on this host already'],
  ])('refuses a network with %o and leaves nothing of it', async ([options, reason], { bridge }) => {
    const before = await linkNames();
    await expect(bridge('bad', options)).rejects.toThrow(reason);
    expect(await linkNames()).toEqual(expect.arrayContaining(before));
    expect(await rules()).not.toContain('elements');
  });

  it('tells a full bridge by its network', async ({ driver, bridge, join }) => {
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

  it('tells by its network what the kernel says of a bridge without a place', async ({
    driver,
    bridge,
    join,
  }) => {
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
});
