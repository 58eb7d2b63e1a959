import { type ContainerId, invalid, isBerthError, isPortProtocol, notFound } from '../../base/index.ts';
import {
  type BridgeNetwork,
  type Endpoint,
  hasIPv6,
  type NamespaceHandle,
  type Network,
  type WantedAddresses,
} from '../../network/index.ts';
import type { PortPlan } from '../../runtime/index.ts';
import { isLinked } from '../networks.ts';
import {
  type ContainerRecord,
  hasOwnKernel,
  isActive,
  type NetworkAttachment,
  type PortBinding,
} from './container.ts';
import type { ContainerContext } from './context.ts';
import { publishNames, withdrawNames } from './dns-names.ts';

/** What a container gets of the network at its start. */
export interface Connection {
  /** undefined: the host's, or another container's. */
  readonly namespace: NamespaceHandle | undefined;
  /** Another container, whose namespace this one joins. */
  readonly joined: { readonly id: ContainerId; readonly path: string } | undefined;
  readonly host: boolean;
  readonly endpoints: readonly Endpoint[];
  readonly ports: readonly PortPlan[];
}

/** Makes the namespace and interfaces that a record asks for. Release it with {@link disconnect}. */
export async function connect(context: ContainerContext, record: ContainerRecord): Promise<Connection> {
  const nothing = { namespace: undefined, joined: undefined, host: false, endpoints: [], ports: [] };
  const { networkMode } = record.host;
  if (networkMode === 'host') return { ...nothing, host: true };
  if (networkMode.startsWith('container:')) {
    return { ...nothing, joined: joinedContainer(context, networkMode.slice('container:'.length)) };
  }
  if (networkMode === 'none') return { ...nothing, namespace: await context.parts.network.createSandbox() };
  const { namespace, endpoints } = await connectBridges(context, record);
  return { ...nothing, namespace, endpoints, ports: portPlans(context, wantedBindings(record), endpoints) };
}

/** Takes apart what {@link connect} made; safe to call twice. */
export async function disconnect(
  context: ContainerContext,
  record: ContainerRecord,
  endpoints: readonly Endpoint[],
  namespace: NamespaceHandle | undefined,
): Promise<void> {
  const { network, launcher } = context.parts;
  withdrawNames(context, record);
  await network.unpublish(record.id);
  for (const endpoint of endpoints) {
    await network.disconnect(endpoint);
    const { name, driver } = context.networks.byId(endpoint.networkId)?.network ?? {
      name: endpoint.networkId,
      driver: 'bridge',
    };
    context.events.emit('network', 'disconnect', endpoint.networkId, {
      container: record.id,
      name,
      type: driver,
    });
  }
  if (namespace !== undefined) await launcher.releaseNetworkNamespace(namespace);
}

async function connectBridges(context: ContainerContext, record: ContainerRecord) {
  const { network: driver } = context.parts;
  const endpoints: Endpoint[] = [];
  let namespace: NamespaceHandle | undefined;
  try {
    for (const [index, attachment] of record.networks.entries()) {
      const network = findNetwork(context, attachment.network);
      if (!isLinked(network)) throw invalid(`cannot combine the network ${network.name} with others`);
      if (namespace === undefined) {
        const made = await driver.connectNew(record.id, network, addresses(record, attachment));
        namespace = made.namespace;
        endpoints.push(made.endpoint);
      } else {
        const options = { ...addresses(record, attachment), metric: index };
        endpoints.push(await driver.connect(record.id, network, namespace.path, options));
      }
      context.events.emit('network', 'connect', network.id, {
        container: record.id,
        name: network.name,
        type: network.driver,
      });
    }
    if (namespace !== undefined) {
      publishNames(context, record, { namespacePath: namespace.path, endpoints });
    }
    return { namespace, endpoints };
  } catch (error) {
    await disconnect(context, record, endpoints, namespace);
    throw error;
  }
}

function findNetwork(context: ContainerContext, reference: string): Network {
  try {
    return context.networks.find(reference).network;
  } catch (error) {
    if (!isBerthError(error, 'not-found')) throw error;
    throw notFound(`failed to set up container networking: ${error.message}`, { cause: error });
  }
}

/** What the driver is asked for, of what a container asks for. */
export function addresses(record: ContainerRecord, attachment: NetworkAttachment): WantedAddresses {
  const { address, ipv6Address, macAddress, shape, interface: ownInterface } = attachment;
  const ports = wantedBindings(record);
  return {
    ...(address === undefined ? {} : { address }),
    ...(ipv6Address === undefined ? {} : { ipv6Address }),
    ...(macAddress === undefined ? {} : { macAddress }),
    ...(shape === undefined ? {} : { shape }),
    ...(ownInterface === undefined ? {} : { interface: ownInterface }),
    ...(ports.length === 0 ? {} : { ports }),
  };
}

function joinedContainer(context: ContainerContext, reference: string): { id: ContainerId; path: string } {
  const other = context.collection.find(reference);
  if (hasOwnKernel(other)) throw networkOfMachine(other);
  const path = context.running.get(other.id)?.supervisor.networkPath;
  if (!isActive(other.state)) {
    throw invalid(`cannot join network namespace of a non running container: ${other.id}`);
  }
  return { id: other.id, path: path ?? `/proc/${other.state.pid}/ns/net` };
}

/** A guest's sockets are in its own kernel: there is nothing on the host to join. */
export function networkOfMachine({ name }: ContainerRecord) {
  return invalid(`the network of the virtual machine ${name} cannot be joined: it ends in its own kernel`, {
    hint: 'Connect both to one network; there they reach each other by name',
  });
}

/** An empty host address means the network's choice, which is every one: a socket for IPv4 and one for IPv6. */
export function portPlans(
  context: ContainerContext,
  bindings: readonly PortBinding[],
  endpoints: readonly Endpoint[],
): PortPlan[] {
  if (bindings.length === 0 || endpoints.length === 0) return [];
  const first = endpoints.find(({ isApart = false }) => !isApart);
  if (first === undefined) {
    throw invalid(
      "ports cannot be published from macvlan networks: the host is not in their containers' way",
      {
        hint: 'Other hosts reach the container by its own address; connect it to a bridge network to publish ports',
      },
    );
  }
  const network = context.networks.byId(first.networkId)?.network;
  const { publishAt: everywhere = '0.0.0.0', gatewayModes = {} }: Partial<BridgeNetwork> =
    network?.driver === 'bridge' ? network : {};
  const isHeld = (hostIp: string) =>
    (hostIp.includes(':') ? gatewayModes.ipv6 : gatewayModes.ipv4) !== 'routed';
  // Once for all ports: to look costs more the more interfaces the host has.
  const implicit = bindings.some(({ hostIp }) => hostIp === '') ? implicitPlaces(everywhere) : [];
  return bindings.flatMap((binding) => {
    const places = binding.hostIp === '' ? implicit : [binding.hostIp];
    const held = places.filter(isHeld).map((hostIp) => ({ ...binding, hostIp }));
    const plans = held.map((each) => ({ ...each, containerIp: reachedAt(first, each.hostIp) }));
    return binding.protocol === 'sctp' ? translatable(plans) : plans;
  });
}

/** Nobody forwards SCTP: only what the kernel translates is published. Throws `invalid` where that is nothing. */
function translatable(plans: readonly PortPlan[]): PortPlan[] {
  const found = plans.filter(
    ({ hostIp, containerIp }) => !isLoopback(hostIp) && hostIp.includes(':') === containerIp.includes(':'),
  );
  const [plan] = plans;
  if (found.length > 0 || plan === undefined) return found;
  const { hostIp, hostPort } = plan;
  throw invalid(
    isLoopback(hostIp)
      ? `the port ${hostPort}/sctp cannot be published on ${hostIp}: only the kernel leads SCTP to containers, and not from loopback`
      : `the port ${hostPort}/sctp cannot be published on ${hostIp}: the container has no IPv6 address`,
    { hint: 'Publish it on every address, or on one of the host that other hosts reach' },
  );
}

const isLoopback = (address: string) => address === '::1' || address.startsWith('127.');

/** Every IPv4 address means every IPv6 one, too, as of Docker, where the host has IPv6. The supervisor gives both the same port. */
function implicitPlaces(everywhere: string): string[] {
  return everywhere === '0.0.0.0' && hasIPv6() ? [everywhere, '::'] : [everywhere];
}

/** Where clients of a host's address are sent: to the address of its family, where the container has one. */
export function reachedAt({ address, ipv6 }: Endpoint, hostIp: string): string {
  return hostIp.includes(':') ? (ipv6?.address ?? address) : address;
}

function wantedBindings(record: ContainerRecord): PortBinding[] {
  return [...record.host.ports, ...(record.host.publishAllPorts ? exposedBindings(record) : [])];
}

function exposedBindings({ config, host }: ContainerRecord) {
  const published = new Set(host.ports.map(({ containerPort, protocol }) => `${containerPort}/${protocol}`));
  return config.exposedPorts.flatMap((exposed) => {
    const [port, protocol = 'tcp'] = exposed.split('/');
    if (published.has(exposed) || !isPortProtocol(protocol)) return [];
    return [{ protocol, containerPort: Number(port), hostIp: '', hostPort: 0 } as const];
  });
}
