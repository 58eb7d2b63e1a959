import {
  type BerthError,
  conflict,
  crashPoint,
  denied,
  invalid,
  isBerthError,
  notFound,
  unavailable,
} from '../../base/index.ts';
import {
  type Endpoint,
  isServableName,
  type LinkedNetwork,
  type Network,
  subnetContains,
} from '../../network/index.ts';
import { isLinked } from '../networks.ts';
import { withLastingCard } from './computer/cards.ts';
import { addresses } from './connect.ts';
import {
  type AliveState,
  type ContainerRecord,
  hasOwnKernel,
  isAlive,
  isComputer,
  type NetworkAttachment,
} from './container.ts';
import type { ContainerContext } from './context.ts';
import { refreshNames } from './dns-names.ts';
import { updateNetworkFiles } from './network-files.ts';
import { movePorts, publishAnew } from './port-moves.ts';

/**
 * Connects a container to a network: at once when it runs, else at its next start. Throws `not-found`, `invalid` for
 * what cannot be combined, and `denied` when it is connected already, in Docker's words.
 */
export async function connectToNetwork(
  context: ContainerContext,
  reference: string,
  attachment: NetworkAttachment,
): Promise<void> {
  const { network } = context.networks.find(attachment.network);
  if (reference === '') throw invalid('invalid name or ID supplied: ""');
  const { id } = context.collection.find(reference);
  await context.collection.exclusively(id, async () => {
    const record = context.collection.find(id);
    checkCombination(record, network);
    checkAttachment(context, attachment, network);
    const own = isComputer(record) ? withLastingCard(attachment) : attachment;
    const wanted = { ...own, network: network.name };
    const state = livingState(context, record);
    if (state !== undefined && hasOwnKernel(record)) throw fixedCards(record);
    if (state !== undefined) await connectRunning(context, record, state, wanted);
    else
      context.collection.update(id, { networks: byPriority([...others(context, record, network), wanted]) });
  });
}

/**
 * Disconnects a container from a network, at once when it runs. Throws `not-found`, and `conflict` when it is not
 * connected. `force` is for what is gone: an unknown container is then an unknown endpoint.
 */
export async function disconnectFromNetwork(
  context: ContainerContext,
  reference: string,
  target: { readonly network: string; readonly force: boolean },
): Promise<void> {
  const { network } = context.networks.find(target.network);
  const { id } = findMember(context, reference, target.force);
  await context.collection.exclusively(id, async () => {
    const record = context.collection.find(id);
    if (network.driver === 'host') {
      throw invalid(
        'cannot disconnect container from host network - container was created in host network mode',
      );
    }
    const index = record.networks.findIndex((attachment) => isOf(context, attachment, network));
    const state = livingState(context, record);
    const endpoint = state?.endpoints[index];
    if (index < 0 || (state !== undefined && endpoint === undefined)) {
      const where = state === undefined ? 'the network' : 'network';
      throw conflict(`container ${id} is not connected to ${where} ${network.name}`);
    }
    const networks = record.networks.toSpliced(index, 1);
    if (state === undefined || endpoint === undefined) context.collection.update(id, { networks });
    else if (hasOwnKernel(record)) throw fixedCards(record);
    else await disconnectRunning(context, record, state, { endpoint, networks });
    emitChange(context, 'disconnect', record, network);
  });
}

/** Puts the networks in the order in which their gateways are the default one; equal ones stay as they are. */
export function byPriority(attachments: readonly NetworkAttachment[]): NetworkAttachment[] {
  return attachments.toSorted((a, b) => (b.gatewayPriority ?? 0) - (a.gatewayPriority ?? 0));
}

/** Checks what a container asks of its place in a network. Throws `invalid`. */
export function checkNames({ aliases, links = [] }: NetworkAttachment): void {
  const names = [...aliases, ...links.flatMap((link) => link.split(':'))];
  const bad = names.find((name) => !isServableName(name));
  if (bad === undefined) return;
  throw invalid(`invalid alias or link: "${bad}" is no name that DNS can carry`, {
    hint: 'It has labels of 1 to 63 bytes with dots between them, 253 bytes in all, and no white space',
  });
}

/** Its cards are part of the machine as it was started. */
function fixedCards(record: ContainerRecord): BerthError {
  const { name } = record;
  return conflict(`the network cards of the virtual machine ${name} cannot be changed while it runs`, {
    hint: `Stop it first: berth ${isComputer(record) ? 'vm ' : ''}stop ${name}`,
  });
}

function findMember(context: ContainerContext, reference: string, force: boolean): ContainerRecord {
  try {
    return context.collection.find(reference);
  } catch (error) {
    if (!force || !isBerthError(error, 'not-found')) throw error;
    throw notFound(`endpoint ${reference} not found`, { cause: error });
  }
}

function checkCombination({ host: { networkMode } }: ContainerRecord, network: Network): void {
  if (network.driver === 'host') {
    throw invalid(
      'cannot connect container to host network - container must be created in host network mode',
    );
  }
  if (networkMode === 'none' || network.driver === 'none') {
    throw invalid(
      'container cannot be connected to multiple networks with one of the networks in private (none) mode',
    );
  }
  if (networkMode === 'host' || networkMode.startsWith('container:')) {
    throw invalid(
      'container sharing network namespace with another container or host cannot be connected to any other network',
    );
  }
}

function checkAttachment(context: ContainerContext, attachment: NetworkAttachment, network: Network): void {
  checkNames(attachment);
  const { address, ipv6Address } = attachment;
  const isPredefined = context.networks.byId(network.id)?.predefined === true;
  const problems = isPredefined
    ? [
        ...((address ?? ipv6Address) === undefined
          ? []
          : ['user-specified IP address is supported on user-defined networks only']),
        ...(attachment.aliases.length === 0
          ? []
          : ['network-scoped aliases are only supported for user-defined networks']),
      ]
    : outsideSubnets(network, attachment);
  if (problems.length > 0) throw invalid(`invalid endpoint settings:\n${problems.join('\n')}`);
}

function outsideSubnets(network: Network, { address, ipv6Address }: NetworkAttachment): string[] {
  if (!isLinked(network)) return [];
  return [
    { subnet: network.subnet, wanted: address },
    { subnet: network.ipv6?.subnet, wanted: ipv6Address },
  ].flatMap(({ subnet, wanted }) => {
    const fits = wanted === undefined || (subnet !== undefined && subnetContains(subnet, wanted));
    return fits ? [] : [`no configured subnet contains IP address ${wanted}`];
  });
}

const isOf = (context: ContainerContext, attachment: NetworkAttachment, network: Network) =>
  attachment.network === network.name || findsSame(context, attachment.network, network);

/** A container may name a network by its id, or one that is gone. */
function findsSame(context: ContainerContext, reference: string, { id }: Network): boolean {
  try {
    return context.networks.find(reference).network.id === id;
  } catch (error) {
    if (isBerthError(error)) return false;
    throw error;
  }
}

const others = (context: ContainerContext, { networks }: ContainerRecord, network: Network) =>
  networks.filter((attachment) => !isOf(context, attachment, network));

/** Each network of a running container with its place in it. */
type Membership = readonly [NetworkAttachment, Endpoint];

async function connectRunning(
  context: ContainerContext,
  record: ContainerRecord,
  state: AliveState,
  wanted: NetworkAttachment,
): Promise<void> {
  const { network } = context.networks.find(wanted.network);
  if (state.endpoints.some(({ networkId }) => networkId === network.id)) {
    throw denied(`endpoint with name ${record.name} already exists in network ${network.name}`);
  }
  if (!isLinked(network)) throw invalid(`cannot combine the network ${network.name} with others`);
  const memberships = zip(record.networks, state.endpoints);
  const place = memberships.filter(
    ([{ gatewayPriority: own = 0 }]) => own >= (wanted.gatewayPriority ?? 0),
  ).length;
  const { endpoint, present } = await plugIn(context, record, state, { network, wanted, place });
  crashPoint('connect.plugged');
  try {
    const endpoints = present.toSpliced(place, 0, endpoint);
    const networks = record.networks.toSpliced(place, 0, wanted);
    const ports = present.length === 0 ? await publishAnew(context, record, endpoints) : state.ports;
    await apply(context, record, { before: state.endpoints, endpoints, networks, ports });
  } catch (error) {
    await context.parts.network.disconnect(endpoint, namespaceOf(context, record));
    throw error;
  }
  crashPoint('connect.recorded');
  emitChange(context, 'connect', record, network);
}

/** Makes room among the default routes first, so that no two are ever the same. */
async function plugIn(
  context: ContainerContext,
  record: ContainerRecord,
  state: AliveState,
  { network, wanted, place }: { network: LinkedNetwork; wanted: NetworkAttachment; place: number },
): Promise<{ endpoint: Endpoint; present: Endpoint[] }> {
  const { network: driver } = context.parts;
  const namespacePath = namespaceOf(context, record);
  const present = await driver.orderRoutes(state.endpoints, namespacePath, place);
  crashPoint('connect.ordered');
  try {
    const options = { ...addresses(record, wanted), metric: place };
    return { endpoint: await driver.connect(record.id, network, namespacePath, options), present };
  } catch (error) {
    const endpoints = await driver.orderRoutes(present, namespacePath);
    context.collection.update(record.id, { state: { ...state, endpoints } });
    throw error;
  }
}

/** The record goes first: what a crash then leaves is removed at the next start. */
async function disconnectRunning(
  context: ContainerContext,
  record: ContainerRecord,
  state: AliveState,
  { endpoint, networks }: { endpoint: Endpoint; networks: readonly NetworkAttachment[] },
): Promise<void> {
  const before = state.endpoints;
  const endpoints = before.filter((member) => member !== endpoint);
  const updated = await apply(context, record, { before, endpoints, networks, ports: state.ports });
  crashPoint('disconnect.recorded');
  await movePorts(context, updated, endpoint);
  await context.parts.network.disconnect(endpoint, namespaceOf(context, record));
  crashPoint('disconnect.unplugged');
}

/** Writes down what a running container is connected to, and tells it and the others. */
async function apply(
  context: ContainerContext,
  { id }: ContainerRecord,
  change: {
    readonly before: readonly Endpoint[];
    readonly endpoints: readonly Endpoint[];
    readonly networks: readonly NetworkAttachment[];
    readonly ports: AliveState['ports'];
  },
): Promise<ContainerRecord> {
  const { state } = context.collection.find(id);
  if (!isAlive(state)) throw endedMeanwhile(id);
  const { before, endpoints, networks, ports } = change;
  const updated = context.collection.update(id, { networks, state: { ...state, endpoints, ports } });
  await updateNetworkFiles(context, updated, { before, after: endpoints });
  refreshNames(context, updated);
  return updated;
}

function zip(networks: readonly NetworkAttachment[], endpoints: readonly Endpoint[]): Membership[] {
  return networks.flatMap((attachment, index) => {
    const endpoint = endpoints[index];
    return endpoint === undefined ? [] : [[attachment, endpoint] as const];
  });
}

/** Of a container whose network is there: it runs, or its supervisor is about to run it again. */
function livingState(context: ContainerContext, { id, state }: ContainerRecord): AliveState | undefined {
  return isAlive(state) && context.running.has(id) ? state : undefined;
}

function namespaceOf(context: ContainerContext, record: ContainerRecord): string {
  const path = context.running.get(record.id)?.supervisor.networkPath;
  if (path === undefined) throw endedMeanwhile(record.id);
  return path;
}

function endedMeanwhile(id: string): BerthError {
  return unavailable(`container ${id} has just ended`);
}

function emitChange(
  context: ContainerContext,
  action: 'connect' | 'disconnect',
  { id }: ContainerRecord,
  { id: networkId, name, driver }: Network,
): void {
  context.events.emit('network', action, networkId, { container: id, name, type: driver });
}
