import { describe, expect } from 'vitest';
import { newNetworkId, run } from '../base/index.ts';
import { inSandbox, it, linkNames, pings, reaches } from './driver.fixture.ts';
import { inside, seenFrom } from './held-namespaces.fixture.ts';

describe.runIf(inSandbox)('macvlan networks of the network driver', () => {
  it('puts containers beside the host on a link of its, with macvlan', async ({
    namespaces,
    driver,
    bridge,
    join,
  }) => {
    const neighbour = await namespaces.neighbour(8);
    const range = { subnet: '198.18.8.0/24', gateway: neighbour.address, ipRange: '198.18.8.128/25' };
    const options = { parent: 'neighbour8', mode: 'bridge', ...range } as const;
    const network = await driver.createMacvlan({ id: newNetworkId(), name: 'lan', ...options });
    const [a, b] = [await join(network), await join(network, { macAddress: '02:00:00:00:00:77' })];
    expect(a.endpoint.address).toBe('198.18.8.128');
    await namespaces.serve(neighbour, 80);
    // With their own addresses, past all rules of the host, which they do not reach.
    expect(await seenFrom(a, neighbour.address, 80)).toBe('198.18.8.128');
    expect(await reaches(a, b.endpoint.address)).toBe(true);
    expect(await reaches(neighbour, b.endpoint.address)).toBe(true);
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

  it('makes the link of a macvlan network without one, where the kernel has dummy interfaces', async ({
    driver,
    join,
  }) => {
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
    expect(await reaches(a, b.endpoint.address)).toBe(true);
    await driver.removeNetwork(network);
    expect(await linkNames()).not.toContain(network.parent);
  });
});
