import { type ContainerId, conflict, KeyedLock, type NetworkId, run } from '../base/index.ts';
import { AddressPool, macAddressOf } from './address-pool.ts';
import { BesideDocker } from './beside-docker.ts';
import { ensureBridge, removeBridge } from './bridge.ts';
import { deleteLinks, hostLinks, ipBatch } from './commands.ts';
import type {
  BridgeNetwork,
  Endpoint,
  NamespaceHandle,
  NamespaceSource,
  NetworkDriver,
  NewBridge,
} from './contract.ts';
import { Firewall } from './firewall.ts';
import { parseSubnet } from './ipv4.ts';
import { freshName, type InstanceNames, instanceNames } from './names.ts';
import { checkSubnet, chooseSubnet, defaultGateway, type Occupied } from './subnets.ts';

export interface NetworkDriverOptions {
  /** At most 8 lower-case letters and digits; in the names of all that is made on the host. */
  readonly instance: string;
  readonly namespaces: NamespaceSource;
}

/** The driver for Linux bridges, veth pairs and nftables. Call {@link NetworkDriver.restore} before anything else. */
export function createNetworkDriver(options: NetworkDriverOptions): NetworkDriver {
  return new BridgeDriver(options);
}

/** The kernel's limit on the ports of a bridge (net/bridge/br_private.h, BR_MAX_PORTS). */
const MAX_BRIDGE_PORTS = 1023;

interface KnownNetwork {
  readonly network: BridgeNetwork;
  readonly pool: AddressPool;
  endpoints: number;
}

class BridgeDriver implements NetworkDriver {
  readonly #names: InstanceNames;
  readonly #namespaces: NamespaceSource;
  readonly #firewall: Firewall;
  readonly #besideDocker: BesideDocker;
  readonly #networks = new Map<NetworkId, KnownNetwork>();
  /** Choosing a subnet and making its bridge is one step. */
  readonly #lock = new KeyedLock();

  constructor({ instance, namespaces }: NetworkDriverOptions) {
    this.#names = instanceNames(instance);
    this.#namespaces = namespaces;
    this.#firewall = new Firewall(this.#names.table);
    this.#besideDocker = new BesideDocker(this.#names.table);
  }

  createBridge(request: NewBridge): Promise<BridgeNetwork> {
    return this.#lock.run('networks', async () => {
      const subnet = await this.#chosenSubnet(request.subnet);
      const network: BridgeNetwork = {
        id: request.id,
        name: request.name,
        driver: 'bridge',
        bridge: request.bridge ?? this.#bridgeName(request.name),
        subnet,
        gateway: request.gateway ?? defaultGateway(subnet),
        internal: request.internal ?? false,
        mtu: request.mtu ?? 1500,
      };
      if ((await hostLinks()).includes(network.bridge)) {
        throw conflict(`the interface ${network.bridge} exists on this host already`);
      }
      await ensureBridge(network);
      await this.#firewall.addNetwork(network);
      await this.#besideDocker.add(network.bridge);
      this.#know(network);
      return network;
    });
  }

  async removeBridge(network: BridgeNetwork): Promise<void> {
    await removeBridge(network);
    await this.#besideDocker.remove(network.bridge);
    if (this.#networks.delete(network.id)) await this.#firewall.removeNetwork(network);
  }

  async restore(state: Parameters<NetworkDriver['restore']>[0]): Promise<void> {
    for (const network of state.networks) {
      await ensureBridge(network);
      this.#know(network);
    }
    for (const endpoint of state.endpoints) {
      const known = this.#networks.get(endpoint.networkId);
      known?.pool.take(endpoint.address);
      if (known !== undefined) known.endpoints += 1;
    }
    for (const { containerId, ports } of state.ports) this.#firewall.remember(containerId, ports);
    await this.#firewall.restore(state.networks);
    await this.#besideDocker.restore(state.networks.map(({ bridge }) => bridge));
    await this.#removeLeftovers(new Set(state.endpoints.map(({ hostInterface }) => hostInterface)));
  }

  createSandbox(): Promise<NamespaceHandle> {
    return this.#namespaces.create();
  }

  async connectNew(
    containerId: ContainerId,
    network: BridgeNetwork,
    options: { address?: string; macAddress?: string } = {},
  ): Promise<{ namespace: NamespaceHandle; endpoint: Endpoint }> {
    const namespace = await this.#namespaces.create();
    try {
      const endpoint = await this.#attach(containerId, network, namespace.path, {
        ...options,
        isFirst: true,
      });
      return { namespace, endpoint };
    } catch (error) {
      await this.#namespaces.release(namespace);
      throw error;
    }
  }

  connect(
    containerId: ContainerId,
    network: BridgeNetwork,
    namespacePath: string,
    options: { address?: string; macAddress?: string } = {},
  ): Promise<Endpoint> {
    return this.#attach(containerId, network, namespacePath, { ...options, isFirst: false });
  }

  async disconnect(endpoint: Endpoint): Promise<void> {
    const known = this.#networks.get(endpoint.networkId);
    if (known !== undefined) {
      known.pool.release(endpoint.address);
      known.endpoints -= 1;
    }
    await deleteLinks([endpoint.hostInterface]);
  }

  publish(containerId: ContainerId, ports: Parameters<NetworkDriver['publish']>[1]): Promise<void> {
    return this.#firewall.publish(containerId, ports);
  }

  unpublish(containerId: ContainerId): Promise<void> {
    return this.#firewall.unpublish(containerId);
  }

  async removeInstance(): Promise<void> {
    for (const { network } of this.#networks.values()) await removeBridge(network);
    this.#networks.clear();
    await this.#removeLeftovers(new Set());
    await this.#firewall.remove();
    await this.#besideDocker.restore([]);
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  /** Makes a veth pair whose inner end is born in the namespace, and gives it its address. */
  async #attach(
    containerId: ContainerId,
    network: BridgeNetwork,
    namespacePath: string,
    options: { address?: string; macAddress?: string; isFirst: boolean },
  ): Promise<Endpoint> {
    const known = this.#networks.get(network.id) ?? this.#know(network);
    if (known.endpoints >= MAX_BRIDGE_PORTS) {
      throw conflict(`network ${network.name} is full: a bridge ends at ${MAX_BRIDGE_PORTS} interfaces`, {
        hint: 'Spread the containers over several networks',
      });
    }
    const address = known.pool.take(options.address);
    known.endpoints += 1;
    const endpoint: Endpoint = {
      containerId,
      networkId: network.id,
      address,
      prefixLength: known.pool.prefixLength,
      gateway: network.internal ? undefined : network.gateway,
      macAddress: options.macAddress ?? macAddressOf(address),
      hostInterface: freshName(this.#names.vethPrefix),
      containerInterface: options.isFirst ? 'eth0' : await nextInterface(namespacePath),
    };
    try {
      await ipBatch(hostSide(endpoint, network, namespacePath));
      await ipBatch(containerSide(endpoint, options.isFirst), namespacePath);
      return endpoint;
    } catch (error) {
      await this.disconnect(endpoint);
      throw error;
    }
  }

  async #chosenSubnet(wanted: string | undefined): Promise<string> {
    const occupied: Occupied[] = [...this.#networks.values()].map(({ network }) => ({
      subnet: parseSubnet(network.subnet),
      holder: `network ${network.name}`,
    }));
    if (wanted === undefined) return chooseSubnet(occupied);
    await checkSubnet(wanted, occupied);
    return wanted;
  }

  #bridgeName(network: string): string {
    return network === 'bridge' ? this.#names.defaultBridge : freshName(this.#names.bridgePrefix);
  }

  #know(network: BridgeNetwork): KnownNetwork {
    const known = { network, pool: new AddressPool(network), endpoints: 0 };
    this.#networks.set(network.id, known);
    return known;
  }

  /** Interfaces of this instance that belong to no record: a berthd that was killed left them. */
  async #removeLeftovers(kept: ReadonlySet<string>): Promise<void> {
    const bridges = new Set([...this.#networks.values()].map(({ network }) => network.bridge));
    const { vethPrefix, bridgePrefix } = this.#names;
    const leftovers = (await hostLinks()).filter(
      (name) =>
        !kept.has(name) &&
        !bridges.has(name) &&
        (name.startsWith(vethPrefix) || name.startsWith(bridgePrefix) || name === this.#names.defaultBridge),
    );
    await deleteLinks(leftovers);
  }
}

function hostSide(endpoint: Endpoint, { bridge, mtu }: BridgeNetwork, namespacePath: string): string[] {
  const { hostInterface, containerInterface, macAddress } = endpoint;
  return [
    `link add ${hostInterface} mtu ${mtu} type veth peer name ${containerInterface} address ${macAddress} mtu ${mtu} netns ${namespacePath}`,
    `link set ${hostInterface} master ${bridge} up`,
  ];
}

function containerSide(endpoint: Endpoint, isFirst: boolean): string[] {
  const { containerInterface, address, prefixLength, gateway } = endpoint;
  return [
    `addr add ${address}/${prefixLength} dev ${containerInterface}`,
    `link set ${containerInterface} up`,
    ...(isFirst && gateway !== undefined ? [`route add default via ${gateway}`] : []),
  ];
}

/** The first free name of eth0, eth1, … in a namespace. */
async function nextInterface(namespacePath: string): Promise<string> {
  const { stdout } = await run('nsenter', [`--net=${namespacePath}`, 'ip', '-o', 'link', 'show']);
  const taken = new Set([...stdout.toString().matchAll(/: (eth\d+)[@:]/g)].map(([, name]) => name));
  let number = 0;
  while (taken.has(`eth${number}`)) number += 1;
  return `eth${number}`;
}
