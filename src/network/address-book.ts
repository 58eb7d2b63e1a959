import { type ContainerId, conflict, invalid, type NetworkId, shortId } from '../base/index.ts';
import { AddressPool, type AddressRange, macAddressOf } from './address-pool.ts';
import { MAX_BRIDGE_PORTS } from './bridge.ts';
import type { BridgeNetwork, Endpoint, EndpointAddress, LinkedNetwork, WantedAddresses } from './contract.ts';
import { directPorts } from './direct-ports.ts';
import { type Family, parseSubnet } from './ip.ts';
import {
  checkParts,
  checkSubnet,
  chooseSubnet,
  gatewayOf,
  type Occupied,
  type SubnetSource,
} from './subnets.ts';

/** Where subnets of each family come from when nobody asks for one. */
export type SubnetSources = Readonly<Record<Family, readonly SubnetSource[]>>;

/** How an endpoint's interface is called on the host and inside. */
export interface EndpointInterfaces {
  readonly hostInterface: string;
  readonly containerInterface: string;
  readonly metric?: number | undefined;
}

interface Entry {
  readonly network: LinkedNetwork;
  readonly pool: AddressPool;
  readonly ipv6Pool: AddressPool | undefined;
  /** By the name of the host's interface. */
  readonly endpoints: Map<string, Endpoint>;
}

/** The networks of one instance, and which container has which address and interface on them. Nothing here is in the kernel. */
export class AddressBook {
  readonly #sources: SubnetSources;
  readonly #entries = new Map<NetworkId, Entry>();

  readonly #mostNeighbours: () => number;

  /** `mostNeighbours` is how many other hosts the kernel can know at a time. */
  constructor(sources: SubnetSources, mostNeighbours: () => number = () => Number.POSITIVE_INFINITY) {
    this.#sources = sources;
    this.#mostNeighbours = mostNeighbours;
  }

  networks(): LinkedNetwork[] {
    return [...this.#entries.values()].map(({ network }) => network);
  }

  network(id: NetworkId): LinkedNetwork | undefined {
    return this.#entries.get(id)?.network;
  }

  /** Interfaces of the host that belong to endpoints, each with its network. */
  hostInterfaces(): Map<string, LinkedNetwork> {
    const all = [...this.#entries.values()];
    return new Map(
      all.flatMap(({ network, endpoints }) => [...endpoints.keys()].map((name) => [name, network] as const)),
    );
  }

  add(network: LinkedNetwork): Entry {
    const { id, name, ipv6 } = network;
    const entry: Entry = {
      network,
      pool: new AddressPool(name, network),
      ipv6Pool: ipv6 === undefined ? undefined : new AddressPool(name, ipv6),
      endpoints: new Map(),
    };
    this.#entries.set(id, entry);
    return entry;
  }

  remove(id: NetworkId): void {
    this.#entries.delete(id);
  }

  clear(): void {
    this.#entries.clear();
  }

  /**
   * Checks the range of addresses that a new network wants, and chooses what it leaves open. One `onLink` of the host's may
   * be what the host has a route to. Throws as {@link checkSubnet} does.
   */
  async plan(
    name: string,
    family: Family,
    wanted: Partial<AddressRange>,
    { onLink = false, skip = 0 } = {},
  ): Promise<AddressRange> {
    const { gateway, ipRange, reserved } = wanted;
    if (wanted.subnet === undefined && gateway !== undefined) {
      throw invalid(`network ${name} has the gateway ${gateway} but no subnet`, {
        hint: 'Give the subnet too: --subnet',
      });
    }
    if (wanted.subnet !== undefined) await checkSubnet(wanted.subnet, this.#occupied(), { onLink });
    const subnet = wanted.subnet ?? (await chooseSubnet(this.#sources[family], this.#occupied(), skip));
    checkParts(subnet, wanted);
    return {
      subnet,
      gateway: gatewayOf(subnet, gateway),
      ...(ipRange === undefined ? {} : { ipRange }),
      ...(reserved === undefined ? {} : { reserved }),
    };
  }

  /** Takes addresses for a container. Throws `conflict` when they are taken or the network is full, `invalid` for what cannot be. */
  connect(
    containerId: ContainerId,
    network: LinkedNetwork,
    { address: wanted, ipv6Address, macAddress, ports = [] }: WantedAddresses,
    { hostInterface, containerInterface, metric }: EndpointInterfaces,
  ): Endpoint {
    const { pool, ipv6Pool, endpoints } = this.#entries.get(network.id) ?? this.add(network);
    if (network.driver === 'bridge') this.#checkRoom(network, endpoints.size);
    if (macAddress !== undefined) checkMacAddress(macAddress);
    this.#checkInterfaceFree(containerId, containerInterface);
    if (ipv6Address !== undefined && ipv6Pool === undefined) throw withoutIPv6(network, ipv6Address);
    const holder = holderOf(containerId);
    const address = pool.take(holder, wanted);
    let ipv6: EndpointAddress | undefined;
    try {
      ipv6 = ipv6Pool && {
        address: ipv6Pool.take(holder, ipv6Address),
        prefixLength: ipv6Pool.prefixLength,
        gateway: network.internal ? undefined : network.ipv6?.gateway,
      };
    } catch (error) {
      pool.release(address);
      throw error;
    }
    const direct = directPorts(network, { address, ...(ipv6 === undefined ? {} : { ipv6 }) }, ports);
    const endpoint: Endpoint = {
      containerId,
      networkId: network.id,
      address,
      prefixLength: pool.prefixLength,
      gateway: network.internal ? undefined : network.gateway,
      ...(ipv6 === undefined ? {} : { ipv6 }),
      macAddress: macAddress ?? macAddressOf(address),
      hostInterface,
      containerInterface,
      ...(metric === undefined ? {} : { metric }),
      ...(network.driver === 'macvlan' ? { isApart: true } : {}),
      ...(direct.length === 0 ? {} : { directPorts: direct }),
    };
    endpoints.set(hostInterface, endpoint);
    return endpoint;
  }

  /** Takes what a living container has. */
  remember(endpoint: Endpoint): void {
    const entry = this.#entries.get(endpoint.networkId);
    if (entry === undefined) return;
    entry.pool.take(holderOf(endpoint.containerId), endpoint.address);
    if (endpoint.ipv6 !== undefined)
      entry.ipv6Pool?.take(holderOf(endpoint.containerId), endpoint.ipv6.address);
    entry.endpoints.set(endpoint.hostInterface, endpoint);
  }

  /** Notes what of an endpoint has changed. */
  replace(endpoint: Endpoint): void {
    this.#entries.get(endpoint.networkId)?.endpoints.set(endpoint.hostInterface, endpoint);
  }

  /** Frees an endpoint's addresses, once: they may belong to somebody else by a second time. */
  release(endpoint: Endpoint): void {
    const entry = this.#entries.get(endpoint.networkId);
    if (entry?.endpoints.delete(endpoint.hostInterface) !== true) return;
    entry.pool.release(endpoint.address);
    if (endpoint.ipv6 !== undefined) entry.ipv6Pool?.release(endpoint.ipv6.address);
  }

  /** The name asked for, or the first of eth0, eth1, … (or what the network has for "eth") that no endpoint of the container has. */
  interfaceName(
    containerId: ContainerId,
    network: LinkedNetwork,
    { interface: wanted }: WantedAddresses,
  ): string {
    if (wanted?.name !== undefined) return wanted.name;
    const prefix = (network.driver === 'bridge' ? network.interfacePrefix : undefined) ?? 'eth';
    const taken = this.#interfacesOf(containerId);
    let number = 0;
    while (taken.has(`${prefix}${number}`)) number += 1;
    return `${prefix}${number}`;
  }

  #checkRoom(network: BridgeNetwork, members: number): void {
    if (members >= MAX_BRIDGE_PORTS) throw fullBridge(network);
    if (members < LEAST_NEIGHBOURS) return; // spares every start a look at the setting
    const most = this.#mostNeighbours();
    if (members < most) return;
    throw conflict(
      `network ${network.name} is full: the host's table of neighbours ends at ${most} (net.ipv4.neigh.default.gc_thresh3)`,
      { hint: 'Raise that setting with sysctl, or spread the containers over several hosts' },
    );
  }

  #checkInterfaceFree(containerId: ContainerId, name: string): void {
    if (!this.#interfacesOf(containerId).has(name)) return;
    throw conflict(`${holderOf(containerId)} has an interface ${name} already`, {
      hint: 'Choose another name with com.docker.network.endpoint.ifname',
    });
  }

  #interfacesOf(containerId: ContainerId): Set<string> {
    const all = [...this.#entries.values()].flatMap(({ endpoints }) => [...endpoints.values()]);
    const own = all.filter((endpoint) => endpoint.containerId === containerId);
    return new Set(own.map(({ containerInterface }) => containerInterface));
  }

  #occupied(): Occupied[] {
    return this.networks().flatMap(({ name, subnet, ipv6 }): Occupied[] =>
      [subnet, ...(ipv6 === undefined ? [] : [ipv6.subnet])].map((text) => ({
        subnet: parseSubnet(text),
        holder: `network ${name}`,
      })),
    );
  }
}

/** The kernel starts to forget neighbours beyond this many (net.ipv4.neigh.default.gc_thresh1): nobody sets an end below. */
const LEAST_NEIGHBOURS = 128;

const holderOf = (containerId: ContainerId) => `container ${shortId(containerId)}`;

function withoutIPv6({ name }: LinkedNetwork, address: string) {
  return invalid(`the address ${address} cannot be given: network ${name} has no IPv6`, {
    hint: 'Make the network with --ipv6',
  });
}

/** The refusal of one more container than a bridge can have. */
export function fullBridge({ name }: BridgeNetwork) {
  return conflict(`network ${name} is full: a bridge ends at ${MAX_BRIDGE_PORTS} interfaces`, {
    hint: 'Spread the containers over several networks',
  });
}

/** Only the address of one interface will do: no group (the lowest bit of the first byte), not all zeros. */
function checkMacAddress(text: string): void {
  const isAddress = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(text);
  if (!isAddress || Number.parseInt(text.slice(0, 2), 16) % 2 === 1 || /^[0:]+$/.test(text)) {
    throw invalid(`invalid MAC address: ${text}`, {
      hint: 'It is like 02:42:ac:11:00:02; the first byte is even',
    });
  }
}
