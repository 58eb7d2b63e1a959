import {
  type ContainerId,
  conflict,
  internal,
  invalid,
  isBerthError,
  KeyedLock,
  type NetworkId,
  run,
  shortId,
} from '../base/index.ts';
import { AddressPool, type AddressRange, macAddressOf } from './address-pool.ts';
import { BesideDocker } from './beside-docker.ts';
import { ensureBridge, MAX_BRIDGE_PORTS } from './bridge.ts';
import type {
  BridgeNetwork,
  Endpoint,
  EndpointAddress,
  NamespaceHandle,
  NamespaceSource,
  NetworkDriver,
  NewBridge,
  PublishedPort,
  ReachablePort,
  WantedAddresses,
} from './contract.ts';
import { Firewall } from './firewall.ts';
import { type Family, parseAddress, parseSubnet } from './ip.ts';
import { defaultRouteMtu, type HostLink, hostLinks, IpStream, ipFailure, isLinkGone } from './iproute.ts';
import { LinkRemoval } from './link-removal.ts';
import { checkInterfaceName, freshName, type InstanceNames, instanceNames, isMadeBy } from './names.ts';
import { type PortReach, portReach } from './reach/port-reach.ts';
import { readRuleset } from './reach/ruleset.ts';
import { makeSandbox, type Sandbox, type SandboxMaker, SpareSandboxes } from './spare-sandboxes.ts';
import {
  checkParts,
  checkSources,
  checkSubnet,
  chooseSubnet,
  DEFAULT_SUBNETS,
  gatewayOf,
  localSubnets,
  type Occupied,
  type SubnetSource,
} from './subnets.ts';
import { configure, makePair, plugIn, reorderRoutes } from './veth.ts';

export interface NetworkDriverOptions {
  /** At most 8 lower-case letters and digits; in the names of all that is made on the host. */
  readonly instance: string;
  readonly namespaces: NamespaceSource;
  /** Where subnets come from when nobody asks for one; default {@link DEFAULT_SUBNETS}. */
  readonly addressPools?: readonly SubnetSource[];
  /** What no other host has, as its machine-id(5): decides the IPv6 subnets of networks that ask for none. */
  readonly localSeed: string;
  /** Aborted: nothing more is made ahead of time. What was asked for goes on to its end. */
  readonly signal?: AbortSignal;
}

/**
 * The driver for Linux bridges, veth pairs and nftables. Call {@link NetworkDriver.restore} before anything else.
 * Networks are IPv4, and IPv6 too where it is asked for. A network that is not internal makes the host forward (net.ipv4.ip_forward); berth changes no
 * policy of the host, and what the host's own rules drop stays dropped. Disposing of it leaves networks and
 * containers as they are. Throws `invalid` for bad address pools.
 */
export async function createNetworkDriver(options: NetworkDriverOptions): Promise<NetworkDriver> {
  options.signal?.throwIfAborted();
  checkSources(options.addressPools ?? []);
  return new BridgeDriver(options);
}

interface KnownNetwork {
  readonly network: BridgeNetwork;
  readonly pool: AddressPool;
  readonly ipv6Pool: AddressPool | undefined;
  /** By the name of the host's interface. */
  readonly endpoints: Map<string, Endpoint>;
}

class BridgeDriver implements NetworkDriver {
  readonly #names: InstanceNames;
  readonly #sources: Readonly<Record<Family, readonly SubnetSource[]>>;
  readonly #networks = new Map<NetworkId, KnownNetwork>();
  readonly #firewall: Firewall;
  readonly #besideDocker: BesideDocker;
  readonly #host = new IpStream();
  readonly #removal = new LinkRemoval();
  readonly #maker: SandboxMaker;
  readonly #spares: SpareSandboxes;
  /** Choosing a subnet and making its bridge is one step. */
  readonly #lock = new KeyedLock();

  constructor({
    instance,
    namespaces,
    addressPools = DEFAULT_SUBNETS,
    localSeed,
    signal,
  }: NetworkDriverOptions) {
    this.#names = instanceNames(instance);
    const sourcesOf = (family: Family) =>
      addressPools.filter(({ base }) => parseSubnet(base).family === family);
    const [ipv4, ipv6] = [sourcesOf(4), sourcesOf(6)];
    this.#sources = { 4: ipv4, 6: ipv6.length > 0 ? ipv6 : localSubnets(`${localSeed} ${instance}`) };
    this.#firewall = new Firewall(this.#names.table);
    this.#besideDocker = new BesideDocker(this.#names.table);
    this.#maker = { namespaces, host: this.#host, vethPrefix: this.#names.vethPrefix };
    this.#spares = new SpareSandboxes(this.#maker, signal);
  }

  createBridge(request: NewBridge): Promise<BridgeNetwork> {
    return this.#lock.run('networks', async () => {
      const network = await this.#planned(request);
      const links = await hostLinks();
      if (links.some(({ name }) => name === network.bridge)) {
        throw conflict(`the interface ${network.bridge} exists on this host already`);
      }
      try {
        await ensureBridge(this.#host, network, { owner: this.#names.table, links });
        await this.#firewall.addNetwork(network);
        await this.#besideDocker.add(network.bridge);
      } catch (error) {
        await this.#firewall.removeNetwork(network);
        await this.#removal.remove([network.bridge]);
        throw error;
      }
      this.#know(network);
      return network;
    });
  }

  removeBridge(network: BridgeNetwork): Promise<void> {
    return this.#lock.run('networks', async () => {
      await this.#removal.remove([network.bridge]);
      await this.#firewall.removeNetwork(network);
      await this.#besideDocker.remove(network.bridge);
      this.#networks.delete(network.id);
    });
  }

  restore(state: Parameters<NetworkDriver['restore']>[0]): Promise<void> {
    return this.#lock.run('networks', async () => {
      this.#networks.clear();
      for (const network of state.networks) this.#know(network);
      for (const endpoint of state.endpoints) this.#remember(endpoint);
      await this.#removeLeftovers();
      const links = await hostLinks();
      for (const network of state.networks) {
        await ensureBridge(this.#host, network, { owner: this.#names.table, links });
      }
      await this.#plugInAgain(links);
      await this.#firewall.restore(state.networks, state.ports);
      await this.#besideDocker.restore(state.networks.map(({ bridge }) => bridge));
      this.#spares.fill();
    });
  }

  createSandbox(): Promise<NamespaceHandle> {
    return this.#maker.namespaces.create();
  }

  async connectNew(
    containerId: ContainerId,
    network: BridgeNetwork,
    options: WantedAddresses = {},
  ): Promise<{ namespace: NamespaceHandle; endpoint: Endpoint }> {
    const resume = this.#spares.pause();
    try {
      const spare = await this.#spares.take();
      if (spare === undefined) return await this.#connectSandbox(containerId, network, options);
      try {
        return await this.#connectSandbox(containerId, network, options, spare);
      } catch (error) {
        if (!isLinkGone(error)) throw error;
        // Somebody deleted the spare's interface while it waited.
        return await this.#connectSandbox(containerId, network, options);
      }
    } finally {
      resume();
    }
  }

  async connect(
    containerId: ContainerId,
    network: BridgeNetwork,
    namespacePath: string,
    options: WantedAddresses & { metric?: number } = {},
  ): Promise<Endpoint> {
    if (/\s/.test(namespacePath)) throw internal(`"${namespacePath}" cannot be passed to ip: it has a space`);
    const endpoint = this.#newEndpoint(containerId, network, options, {
      hostInterface: freshName(this.#names.vethPrefix),
      containerInterface: this.#nextInterface(containerId),
      metric: options.metric,
    });
    try {
      const { hostInterface, containerInterface } = endpoint;
      await this.#host.run([
        ...makePair(hostInterface, containerInterface, namespacePath),
        ...plugIn(hostInterface, network),
      ]);
      await runInside(namespacePath, configure(endpoint, network));
      return endpoint;
    } catch (error) {
      await this.disconnect(endpoint);
      throw this.#explained(error, network);
    }
  }

  async orderRoutes(endpoints: readonly Endpoint[], namespacePath: string): Promise<Endpoint[]> {
    const ordered = endpoints.map((endpoint, metric) => ({ ...endpoint, metric }));
    const commands = reorderRoutes(endpoints, ordered);
    if (commands.length > 0) await runInside(namespacePath, commands);
    for (const endpoint of ordered) {
      this.#networks.get(endpoint.networkId)?.endpoints.set(endpoint.hostInterface, endpoint);
    }
    return ordered;
  }

  async disconnect(endpoint: Endpoint): Promise<void> {
    await this.#removal.remove([endpoint.hostInterface]);
    const known = this.#networks.get(endpoint.networkId);
    // Only once: the address may belong to somebody else by a second time.
    if (known?.endpoints.delete(endpoint.hostInterface) !== true) return;
    known.pool.release(endpoint.address);
    if (endpoint.ipv6 !== undefined) known.ipv6Pool?.release(endpoint.ipv6.address);
  }

  publish(containerId: ContainerId, ports: readonly PublishedPort[]): Promise<void> {
    return this.#firewall.publish(containerId, ports);
  }

  unpublish(containerId: ContainerId, ports?: readonly PublishedPort[]): Promise<void> {
    return this.#firewall.unpublish(containerId, ports);
  }

  async reach(ports: readonly ReachablePort[], signal?: AbortSignal): Promise<PortReach[]> {
    if (ports.length === 0) return [];
    const ruleset = await readRuleset(signal);
    return ports.map((port) => {
      const bridge = this.#networks.get(port.networkId)?.network.bridge ?? '';
      return portReach(ruleset, port, bridge, this.#names.table);
    });
  }

  removeInstance(): Promise<void> {
    return this.#lock.run('networks', async () => {
      await this.#spares[Symbol.asyncDispose]();
      this.#networks.clear();
      await this.#removeLeftovers();
      await this.#firewall.remove();
      await this.#besideDocker.restore([]);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#spares[Symbol.asyncDispose]();
    await this.#removal[Symbol.asyncDispose]();
    await this.#host[Symbol.asyncDispose]();
    await this.#firewall[Symbol.asyncDispose]();
  }

  /** Checks a request and chooses what it leaves open. */
  async #planned(request: NewBridge): Promise<BridgeNetwork> {
    const { id, name, internal: isInternal = false } = request;
    if (request.bridge !== undefined) checkInterfaceName(request.bridge);
    const mtu = request.mtu ?? Math.min((await defaultRouteMtu()) ?? LARGEST_MTU, LARGEST_MTU);
    if (!Number.isInteger(mtu) || mtu < 68 || mtu > 65_535) {
      throw invalid(`invalid MTU ${mtu} for network ${name}`, { hint: 'It is a number from 68 to 65535' });
    }
    if (request.publishAt !== undefined) parseAddress(request.publishAt);
    return {
      ...{
        id,
        name,
        driver: 'bridge',
        bridge: request.bridge ?? this.#bridgeName(name),
        internal: isInternal,
        mtu,
      },
      ...(await this.#plannedRange(name, 4, request)),
      ...(request.ipv6 === undefined ? {} : { ipv6: await this.#plannedRange(name, 6, request.ipv6) }),
      ...(request.separated === true ? { separated: true } : {}),
      ...(request.keepsAddress === true ? { keepsAddress: true } : {}),
      ...(request.publishAt === undefined ? {} : { publishAt: request.publishAt }),
    };
  }

  async #plannedRange(network: string, family: Family, wanted: Partial<AddressRange>): Promise<AddressRange> {
    const { gateway, ipRange, reserved } = wanted;
    if (wanted.subnet === undefined && gateway !== undefined) {
      throw invalid(`network ${network} has the gateway ${gateway} but no subnet`, {
        hint: 'Give the subnet too: --subnet',
      });
    }
    const occupied = [...this.#networks.values()].flatMap(({ network: { name, subnet, ipv6 } }): Occupied[] =>
      [subnet, ...(ipv6 === undefined ? [] : [ipv6.subnet])].map((text) => ({
        subnet: parseSubnet(text),
        holder: `network ${name}`,
      })),
    );
    if (wanted.subnet !== undefined) await checkSubnet(wanted.subnet, occupied);
    const subnet = wanted.subnet ?? (await chooseSubnet(this.#sources[family], occupied));
    checkParts(subnet, wanted);
    return {
      subnet,
      gateway: gatewayOf(subnet, gateway),
      ...(ipRange === undefined ? {} : { ipRange }),
      ...(reserved === undefined ? {} : { reserved }),
    };
  }

  #bridgeName(network: string): string {
    return network === 'bridge' ? this.#names.defaultBridge : freshName(this.#names.bridgePrefix);
  }

  /** Plugs a sandbox, a new one where none is given, into a network. Nothing of it is left when that fails. */
  async #connectSandbox(
    containerId: ContainerId,
    network: BridgeNetwork,
    options: WantedAddresses,
    spare?: Sandbox,
  ): Promise<{ namespace: NamespaceHandle; endpoint: Endpoint }> {
    let endpoint: Endpoint | undefined;
    let sandbox = spare;
    try {
      sandbox ??= await makeSandbox(this.#maker);
      endpoint = this.#newEndpoint(containerId, network, options, sandbox);
      await Promise.all([
        this.#host.run(plugIn(endpoint.hostInterface, network)),
        sandbox.inside.run(configure(endpoint, network)),
      ]);
      sandbox.inside.end();
      return { namespace: sandbox.namespace, endpoint };
    } catch (error) {
      if (sandbox !== undefined) await this.#discard(sandbox, endpoint);
      throw this.#explained(error, network);
    }
  }

  async #discard(sandbox: Sandbox, endpoint: Endpoint | undefined): Promise<void> {
    await sandbox.inside[Symbol.asyncDispose]();
    if (endpoint === undefined) await this.#removal.remove([sandbox.hostInterface]);
    else await this.disconnect(endpoint);
    await this.#maker.namespaces.release(sandbox.namespace);
  }

  /** Takes an address and remembers who has it. */
  #newEndpoint(
    containerId: ContainerId,
    network: BridgeNetwork,
    { address: wanted, ipv6Address, macAddress }: WantedAddresses,
    interfaces: { hostInterface: string; containerInterface: string; metric?: number | undefined },
  ): Endpoint {
    const { pool, ipv6Pool, endpoints } = this.#networks.get(network.id) ?? this.#know(network);
    if (endpoints.size >= MAX_BRIDGE_PORTS) throw fullBridge(network);
    if (macAddress !== undefined) checkMacAddress(macAddress);
    if (ipv6Address !== undefined && ipv6Pool === undefined) throw withoutIPv6(network, ipv6Address);
    const { hostInterface, containerInterface, metric } = interfaces;
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
    };
    endpoints.set(hostInterface, endpoint);
    return endpoint;
  }

  /** The first of eth0, eth1, … that no endpoint of the container has. */
  #nextInterface(containerId: ContainerId): string {
    const taken = new Set<string>();
    for (const { endpoints } of this.#networks.values()) {
      for (const endpoint of endpoints.values()) {
        if (endpoint.containerId === containerId) taken.add(endpoint.containerInterface);
      }
    }
    let number = 0;
    while (taken.has(`eth${number}`)) number += 1;
    return `eth${number}`;
  }

  #know(network: BridgeNetwork): KnownNetwork {
    const { name, ipv6 } = network;
    const known: KnownNetwork = {
      network,
      pool: new AddressPool(name, network),
      ipv6Pool: ipv6 === undefined ? undefined : new AddressPool(name, ipv6),
      endpoints: new Map(),
    };
    this.#networks.set(network.id, known);
    return known;
  }

  #remember(endpoint: Endpoint): void {
    const known = this.#networks.get(endpoint.networkId);
    if (known === undefined) return;
    known.pool.take(holderOf(endpoint.containerId), endpoint.address);
    if (endpoint.ipv6 !== undefined)
      known.ipv6Pool?.take(holderOf(endpoint.containerId), endpoint.ipv6.address);
    known.endpoints.set(endpoint.hostInterface, endpoint);
  }

  /** Plugs living containers into bridges that had to be made again. */
  async #plugInAgain(links: readonly HostLink[]): Promise<void> {
    for (const { network, endpoints } of this.#networks.values()) {
      const unplugged = links.filter(({ name, master }) => endpoints.has(name) && master !== network.bridge);
      for (const { name } of unplugged) await this.#host.run(plugIn(name, network));
    }
  }

  /** Removes interfaces of this instance that belong to no record: a berthd that was killed left them. */
  async #removeLeftovers(): Promise<void> {
    const kept = new Set<string>();
    for (const { network, endpoints } of this.#networks.values()) {
      kept.add(network.bridge);
      for (const name of endpoints.keys()) kept.add(name);
    }
    for (const name of this.#spares.hostInterfaces()) kept.add(name);
    const isOurs = ({ name, kind, alias }: HostLink) =>
      alias === this.#names.table ||
      ((kind === 'bridge' || kind === 'veth') &&
        (isMadeBy(this.#names, name) || name === this.#names.defaultBridge));
    const leftovers = (await hostLinks()).filter((link) => isOurs(link) && !kept.has(link.name));
    await this.#removal.remove(leftovers.map(({ name }) => name));
  }

  /** The kernel's words for a full bridge, and for one that somebody deleted, with the network's name. */
  #explained(error: unknown, network: BridgeNetwork): unknown {
    if (!isBerthError(error)) return error;
    if (/Exchange full/.test(error.message)) return fullBridge(network);
    if (/Device does not exist/.test(error.message)) {
      return conflict(`the bridge ${network.bridge} of network ${network.name} is gone`, {
        hint: 'Restart berthd, which makes it again',
        cause: error,
      });
    }
    return error;
  }
}

/** dockerd's default; less where the host's way out takes less, as a VPN's does. */
const LARGEST_MTU = 1500;

const holderOf = (containerId: ContainerId) => `container ${shortId(containerId)}`;

function withoutIPv6({ name }: BridgeNetwork, address: string) {
  return invalid(`the address ${address} cannot be given: network ${name} has no IPv6`, {
    hint: 'Make the network with --ipv6',
  });
}

function fullBridge({ name }: BridgeNetwork) {
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

async function runInside(namespacePath: string, commands: readonly string[]): Promise<void> {
  const args = [`--net=${namespacePath}`, 'ip', '-batch', '-'];
  const { code, stderr } = await run('nsenter', args, { input: `${commands.join('\n')}\n` });
  if (code !== 0) throw ipFailure(stderr);
}
