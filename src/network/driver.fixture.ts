import { it as plain } from 'vitest';
import { type ContainerId, newContainerId, newNetworkId, run } from '../base/index.ts';
import type { BridgeNetwork, LinkedNetwork, NetworkDriver, NewBridge } from './contract.ts';
import { createNetworkDriver } from './driver.ts';
import { HeldNamespaces, inside, type Member, PATIENCE } from './held-namespaces.fixture.ts';

/** Whether we are in a network namespace of the test run's own (scripts/test): interfaces and rules are changed. */
export const inSandbox = process.env.BERTH_SANDBOX !== undefined;

interface DriverTest {
  readonly namespaces: HeldNamespaces;
  /** One that has nothing yet; what it has made is gone after the test. */
  readonly driver: NetworkDriver;
  readonly bridge: (name: string, options?: Partial<NewBridge>) => Promise<BridgeNetwork>;
  /** Connects a new container. */
  readonly join: (network: LinkedNetwork, options?: object) => Promise<Joined>;
}

type Joined = { readonly containerId: ContainerId } & Awaited<ReturnType<NetworkDriver['connectNew']>>;

/** A test that takes what it needs: a driver, and what containers on its networks are made with. */
export const it = plain.extend<DriverTest>({
  namespaces: async ({ task: _task }, use) => {
    await using namespaces = new HeldNamespaces();
    await use(namespaces);
  },
  driver: async ({ namespaces }, use) => {
    {
      await using driver = await startDriver(namespaces);
      await driver.restore({ networks: [], endpoints: [], ports: [] });
      await use(driver);
    }
    await using cleaner = await startDriver(namespaces);
    await cleaner.removeInstance();
  },
  bridge: async ({ driver }, use) =>
    use((name, options = {}) => driver.createBridge({ id: newNetworkId(), name, ...options })),
  join: async ({ driver }, use) =>
    use(async (network, options = {}) => {
      const containerId = newContainerId();
      return { containerId, ...(await driver.connectNew(containerId, network, options)) };
    }),
});

/** A driver of the instance under test, as a daemon makes one when it starts. */
export function startDriver(namespaces: HeldNamespaces): Promise<NetworkDriver> {
  return createNetworkDriver({ instance: 'nettest', namespaces, localSeed: 'a machine' });
}

/** The address of a network's IPv6 subnet that ends in `host`. */
export function addressIn({ ipv6 }: BridgeNetwork, host: string): string {
  return `${ipv6?.subnet.replace(/\/\d+$/, '')}${host}`;
}

/** Whether an address answers, however long that takes on a busy machine. */
export async function reaches(from: Member | 'host', address: string): Promise<boolean> {
  return (await inside(from, 'ping', '-c1', `-w${PATIENCE}`, address)).code === 0;
}

/** Whether an address answers within a second. */
export async function pings(from: Member | 'host', address: string): Promise<boolean> {
  return (await inside(from, 'ping', '-c1', '-W1', address)).code === 0;
}

/** The names of the host's interfaces. */
export async function linkNames(): Promise<string[]> {
  const { stdout } = await run('ip', ['-o', 'link']);
  return [...stdout.toString().matchAll(/^\d+: ([^:@]+)/gm)].map(([, name]) => name ?? '');
}

/** The driver's table as nft lists it. */
export async function rules(): Promise<string> {
  return (await run('nft', ['list', 'table', 'inet', 'berth_nettest'])).stdout.toString();
}

/** The way out of a container, as its kernel chooses it. */
export async function defaultRoute(member: Member): Promise<string> {
  return (await inside(member, 'ip', 'route', 'get', '203.0.113.1')).stdout.toString();
}

/** A set's elements come in the order of a hash that the kernel salts. */
export function sortedElements(listing: string): string {
  return listing.replace(/elements = \{ ([^}]*) \}/g, (_, elements: string) => {
    const sorted = elements.split(/,\s+/).sort();
    return `elements = { ${sorted.join(', ')} }`;
  });
}
