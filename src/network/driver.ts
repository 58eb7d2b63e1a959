import { randomInt } from 'node:crypto';
import {
  type ContainerId,
  conflict,
  internal,
  isBerthError,
  KeyedLock,
  run,
  runChecked,
} from '../base/index.ts';
import { AddressBook, fullBridge } from './address-book.ts';
import { BesideDocker } from './beside-docker.ts';
import { ensureBridge, mostNeighbours } from './bridge.ts';
import type {
  BridgeNetwork,
  Endpoint,
  LinkedNetwork,
  MacvlanNetwork,
  NamespaceHandle,
  NamespaceSource,
  NetworkDriver,
  NewBridge,
  NewMacvlan,
  PublishedPort,
  ReachablePort,
  WantedAddresses,
} from './contract.ts';
import { Firewall } from './firewall.ts';
import { setSysctls } from './interface-sysctls.ts';
import { type Family, parseSubnet } from './ip.ts';
import { type HostLink, hostLinks, IpStream, ipFailure, isLinkGone } from './iproute.ts';
import { LinkRemoval } from './link-removal.ts';
import { configureMacvlan, ensureOwnParent, explainMacvlan, makeMacvlan, unshaped } from './macvlan.ts';
import { freshName, type InstanceNames, instanceNames, isMadeBy } from './names.ts';
import { planBridge, planMacvlan } from './plans.ts';
import { type PortReach, portReach } from './reach/port-reach.ts';
import { readRuleset } from './reach/ruleset.ts';
import { shapeEndpoint } from './shape.ts';
import { makeSandbox, type Sandbox, type SandboxMaker, SpareSandboxes } from './spare-sandboxes.ts';
import { checkSources, DEFAULT_SUBNETS, localSubnets, rivalRoute, type SubnetSource } from './subnets.ts';
import { bringUp, configure, flushRoutes, giveRoutes, makePair, plugIn, reorderRoutes } from './veth.ts';

export interface NetworkDriverOptions {
  /** At most 8 lower-case letters and digits; in the names of all that is made on the host. */
  readonly instance: string;
  readonly namespaces: NamespaceSource;
  /** Where subnets come from when nobody asks for one; {@link DEFAULT_SUBNETS} if none of them is IPv4. */
  readonly addressPools?: readonly SubnetSource[];
  /** What no other host has, as its machine-id(5): decides the IPv6 subnets of networks that ask for none. */
  readonly localSeed: string;
  /** Aborted: nothing more is made ahead of time. What was asked for goes on to its end. */
  readonly signal?: AbortSignal;
}

/**
 * The driver for Linux bridges, veth pairs and nftables. Call {@link NetworkDriver.restore} before anything else.
 * Networks are IPv4, and IPv6 too where it is asked for. A network that is not internal makes the host forward
 * (net.ipv4.ip_forward); berth changes no policy of the host, and what the host's own rules drop stays dropped. Disposing
 * of it leaves networks and containers as they are. Throws `invalid` for bad address pools.
 */
export async function createNetworkDriver(options: NetworkDriverOptions): Promise<NetworkDriver> {
  options.signal?.throwIfAborted();
  checkSources(options.addressPools ?? []);
  return new BridgeDriver(options);
}

class BridgeDriver implements NetworkDriver {
  readonly #names: InstanceNames;
  readonly #book: AddressBook;
  readonly #firewall: Firewall;
  readonly #besideDocker: BesideDocker;
  readonly #host = new IpStream();
  readonly #removal = new LinkRemoval();
  readonly #maker: SandboxMaker;
  readonly #spares: SpareSandboxes;
  /** Connected by an earlier berthd, which may have been killed between a change of their routes and its record. */
  readonly #inherited = new Set<ContainerId>();
  /** Choosing a subnet and making its bridge is one step. */
  readonly #lock = new KeyedLock();

  constructor({ instance, namespaces, addressPools = [], localSeed, signal }: NetworkDriverOptions) {
    this.#names = instanceNames(instance);
    const sourcesOf = (family: Family) =>
      addressPools.filter(({ base }) => parseSubnet(base).family === family);
    const [ipv4, ipv6] = [sourcesOf(4), sourcesOf(6)];
    const sources = {
      4: ipv4.length > 0 ? ipv4 : DEFAULT_SUBNETS,
      6: ipv6.length > 0 ? ipv6 : localSubnets(`${localSeed} ${instance}`),
    };
    this.#book = new AddressBook(sources, mostNeighbours);
    this.#firewall = new Firewall(this.#names.table);
    this.#besideDocker = new BesideDocker(this.#names.table);
    this.#maker = { namespaces, host: this.#host, vethPrefix: this.#names.vethPrefix };
    this.#spares = new SpareSandboxes(this.#maker, signal);
  }

  get #planning() {
    return { book: this.#book, names: this.#names };
  }

  createBridge(request: NewBridge): Promise<BridgeNetwork> {
    return this.#lock.run('networks', async () => {
      for (let lost = 0; ; lost += 1) {
        // By chance, so that two who have met do not meet again.
        const skip = lost === 0 ? 0 : randomInt(2 ** Math.min(lost, 6));
        const network = await planBridge(request, { ...this.#planning, skip });
        await this.#makeBridge(network);
        // Another engine may have chosen the same at the same moment: whoever sees the other one gives way.
        const subnets = [network, network.ipv6].flatMap((range) => range?.subnet ?? []);
        const rival = await rivalRoute(subnets, network.bridge);
        if (rival === undefined) {
          this.#book.add(network);
          return network;
        }
        await this.#unmakeBridge(network);
        if (request.subnet !== undefined) {
          throw conflict(
            `${request.subnet} overlaps with ${rival.holder}, which was made at the same moment`,
          );
        }
      }
    });
  }

  async #makeBridge(network: BridgeNetwork): Promise<void> {
    const links = await hostLinks();
    if (links.some(({ name }) => name === network.bridge)) {
      throw conflict(`the interface ${network.bridge} exists on this host already`);
    }
    try {
      await ensureBridge(this.#host, network, { owner: this.#names.table, links });
      await this.#firewall.addNetwork(network);
      await this.#besideDocker.add(network.bridge);
    } catch (error) {
      await this.#unmakeBridge(network);
      throw error;
    }
  }

  async #unmakeBridge(network: BridgeNetwork): Promise<void> {
    await this.#removal.remove([network.bridge]);
    await this.#firewall.removeNetwork(network);
    await this.#besideDocker.remove(network.bridge);
  }

  createMacvlan(request: NewMacvlan): Promise<MacvlanNetwork> {
    return this.#lock.run('networks', async () => {
      const links = await hostLinks();
      const network = await planMacvlan(request, { ...this.#planning, links });
      await this.#makeParents([network], links);
      this.#book.add(network);
      return network;
    });
  }

  removeNetwork(network: LinkedNetwork): Promise<void> {
    return this.#lock.run('networks', async () => {
      if (network.driver === 'bridge') await this.#unmakeBridge(network);
      else if (network.hasOwnParent === true) await this.#removal.remove([network.parent]);
      this.#book.remove(network.id);
    });
  }

  restore(state: Parameters<NetworkDriver['restore']>[0]): Promise<void> {
    return this.#lock.run('networks', async () => {
      this.#book.clear();
      for (const network of state.networks) this.#book.add(network);
      for (const endpoint of state.endpoints) {
        this.#book.remember(endpoint);
        this.#inherited.add(endpoint.containerId);
      }
      await this.#removeLeftovers();
      const links = await hostLinks();
      const bridges = state.networks.filter((network) => network.driver === 'bridge');
      for (const network of bridges) {
        await ensureBridge(this.#host, network, { owner: this.#names.table, links });
      }
      const macvlans = state.networks.filter((network) => network.driver === 'macvlan');
      await this.#makeParents(macvlans, links);
      await this.#plugInAgain(links);
      await this.#firewall.restore(bridges, state.ports, state.endpoints);
      await this.#besideDocker.restore(bridges.map(({ bridge }) => bridge));
      this.#spares.fill();
    });
  }

  createSandbox(): Promise<NamespaceHandle> {
    return this.#maker.namespaces.create();
  }

  holdSpares(): Disposable {
    return { [Symbol.dispose]: this.#spares.pause() };
  }

  async connectNew(
    containerId: ContainerId,
    network: LinkedNetwork,
    options: WantedAddresses = {},
  ): Promise<{ namespace: NamespaceHandle; endpoint: Endpoint }> {
    if (network.driver === 'macvlan') return this.#connectNewMacvlan(containerId, network, options);
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
    network: LinkedNetwork,
    namespacePath: string,
    options: WantedAddresses & { metric?: number } = {},
  ): Promise<Endpoint> {
    if (/\s/.test(namespacePath)) throw internal(`"${namespacePath}" cannot be passed to ip: it has a space`);
    const endpoint = this.#book.connect(containerId, network, options, {
      hostInterface: freshName(this.#names.vethPrefix),
      containerInterface: this.#book.interfaceName(containerId, network, options),
      metric: options.metric,
    });
    try {
      if (network.driver === 'macvlan') {
        if (options.shape !== undefined) throw unshaped(network);
        await runOnHost(makeMacvlan(endpoint, network, namespacePath));
        await runInside(namespacePath, configureMacvlan(endpoint, network));
        await setSysctls(endpoint, options.interface?.sysctls, namespacePath);
        return endpoint;
      }
      const { hostInterface, containerInterface } = endpoint;
      await runInside(namespacePath, [
        ...makePair(hostInterface, containerInterface),
        ...configure(endpoint, network),
      ]);
      await this.#host.run([...bringUp(hostInterface), ...plugIn(hostInterface, network)]);
      await this.#finish(endpoint, options, namespacePath);
      return endpoint;
    } catch (error) {
      await this.disconnect(endpoint, namespacePath);
      throw await explained(error, network);
    }
  }

  async #connectNewMacvlan(containerId: ContainerId, network: MacvlanNetwork, options: WantedAddresses) {
    const namespace = await this.#maker.namespaces.create();
    try {
      return { namespace, endpoint: await this.connect(containerId, network, namespace.path, options) };
    } catch (error) {
      await this.#maker.namespaces.release(namespace);
      throw error;
    }
  }

  async orderRoutes(
    endpoints: readonly Endpoint[],
    namespacePath: string,
    free = endpoints.length,
  ): Promise<Endpoint[]> {
    const ordered = endpoints.map((endpoint, index) => ({
      ...endpoint,
      metric: index < free ? index : index + 1,
    }));
    await this.#changeRoutes(endpoints, ordered, namespacePath);
    for (const endpoint of ordered) this.#book.replace(endpoint);
    return ordered;
  }

  async #changeRoutes(
    before: readonly Endpoint[],
    after: readonly Endpoint[],
    namespacePath: string,
  ): Promise<void> {
    const isInherited = before.some(({ containerId }) => this.#inherited.delete(containerId));
    if (isInherited) {
      for (const flush of flushRoutes(before))
        await runChecked('nsenter', [`--net=${namespacePath}`, ...flush]);
    }
    const commands = isInherited ? giveRoutes(after) : reorderRoutes(before, after);
    if (commands.length > 0) await runInside(namespacePath, commands);
  }

  async disconnect(endpoint: Endpoint, namespacePath?: string): Promise<void> {
    if (endpoint.isApart !== true) await this.#removal.remove([endpoint.hostInterface]);
    else if (namespacePath !== undefined) await removeInside(namespacePath, endpoint.containerInterface);
    await this.#firewall.close(endpoint);
    this.#book.release(endpoint);
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
      const network = this.#book.network(port.networkId);
      return portReach(ruleset, port, network?.driver === 'bridge' ? network.bridge : '', this.#names.table);
    });
  }

  removeInstance(): Promise<void> {
    return this.#lock.run('networks', async () => {
      await this.#spares[Symbol.asyncDispose]();
      this.#book.clear();
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

  async #makeParents(networks: readonly MacvlanNetwork[], links: readonly HostLink[]): Promise<void> {
    for (const network of networks.filter(({ hasOwnParent }) => hasOwnParent)) {
      await ensureOwnParent(this.#host, network, { owner: this.#names.table, links });
    }
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
      const { hostInterface, containerInterface: called } = sandbox;
      const containerInterface = this.#book.interfaceName(containerId, network, options);
      const isUsual = containerInterface === called;
      endpoint = this.#book.connect(containerId, network, options, {
        ...{ hostInterface, containerInterface },
        metric: isUsual ? undefined : 0,
      });
      await Promise.all([
        this.#host.run(plugIn(endpoint.hostInterface, network)),
        sandbox.inside.run(configure(endpoint, network, called)),
      ]);
      sandbox.inside.end();
      await this.#finish(endpoint, options, sandbox.namespace.path);
      return { namespace: sandbox.namespace, endpoint };
    } catch (error) {
      if (sandbox !== undefined) await this.#discard(sandbox, endpoint);
      throw await explained(error, network);
    }
  }

  /** What few endpoints have: other sysctls, a slower link, ports that are reached directly. */
  async #finish(endpoint: Endpoint, options: WantedAddresses, namespacePath: string): Promise<void> {
    await setSysctls(endpoint, options.interface?.sysctls, namespacePath);
    if (options.shape !== undefined) await shapeEndpoint(endpoint, options.shape, namespacePath);
    await this.#firewall.open(endpoint);
  }

  async #discard(sandbox: Sandbox, endpoint: Endpoint | undefined): Promise<void> {
    await sandbox.inside[Symbol.asyncDispose]();
    if (endpoint === undefined) await this.#removal.remove([sandbox.hostInterface]);
    else await this.disconnect(endpoint);
    await this.#maker.namespaces.release(sandbox.namespace);
  }

  /** Plugs living containers into bridges that had to be made again. */
  async #plugInAgain(links: readonly HostLink[]): Promise<void> {
    const networks = this.#book.hostInterfaces();
    for (const { name, master } of links) {
      const network = networks.get(name);
      if (network?.driver !== 'bridge' || master === network.bridge) continue;
      await this.#host.run(plugIn(name, network)).catch((error: unknown) => {
        if (!isLinkGone(error)) throw error; // it went with its container while berthd was starting
      });
    }
  }

  /** Removes interfaces of this instance that belong to no record: a berthd that was killed left them. */
  async #removeLeftovers(): Promise<void> {
    const kept = new Set([
      ...this.#book
        .networks()
        .map((network) => (network.driver === 'bridge' ? network.bridge : network.parent)),
      ...this.#book.hostInterfaces().keys(),
      ...this.#spares.hostInterfaces(),
    ]);
    const isOurs = ({ name, kind, alias }: HostLink) =>
      alias === this.#names.table ||
      ((kind === 'bridge' || kind === 'veth') &&
        (isMadeBy(this.#names, name) || name === this.#names.defaultBridge));
    const leftovers = (await hostLinks()).filter((link) => isOurs(link) && !kept.has(link.name));
    await this.#removal.remove(leftovers.map(({ name }) => name));
  }
}

/** The kernel's words for a full bridge, and for one that somebody deleted, with the network's name. */
async function explained(error: unknown, network: LinkedNetwork): Promise<unknown> {
  if (network.driver === 'macvlan') return explainMacvlan(error, network);
  if (!isBerthError(error)) return error;
  if (/Exchange full/.test(error.message)) return fullBridge(network);
  const { bridge, name } = network;
  // ip that knows a bridge's number from before gets other words for one that is gone than ip that looks for it.
  const mayBeGone = /Device does not exist|Invalid argument/.test(error.message);
  if (!mayBeGone || (await hostLinks()).some((link) => link.name === bridge)) return error;
  return conflict(`the bridge ${bridge} of network ${name} is gone`, {
    hint: 'Restart berthd, which makes it again',
    cause: error,
  });
}

async function runInside(namespacePath: string, commands: readonly string[]): Promise<void> {
  const args = [`--net=${namespacePath}`, 'ip', '-batch', '-'];
  const { code, stderr } = await run('nsenter', args, { input: `${commands.join('\n')}\n` });
  if (code !== 0) throw ipFailure(stderr);
}

/** In a process of its own, which lets go of namespaces that the commands name. */
async function runOnHost(commands: readonly string[]): Promise<void> {
  await using stream = new IpStream();
  await stream.run(commands);
}

/** Removes an interface; one that is gone, with its namespace or without, is fine. */
async function removeInside(namespacePath: string, name: string): Promise<void> {
  await run('nsenter', [`--net=${namespacePath}`, 'ip', 'link', 'del', name]);
}
