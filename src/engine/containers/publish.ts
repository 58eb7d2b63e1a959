import { type ContainerId, conflict, crashPoint, invalid, notImplemented } from '../../base/index.ts';
import type { PublishedPort } from '../../network/index.ts';
import type { PortPlan, Supervisor } from '../../runtime/index.ts';
import { portPlans } from './connect.ts';
import { type ContainerRecord, type HostOptions, isActive, type PortBinding } from './container.ts';
import type { ContainerContext } from './context.ts';

/** Ports to publish and to withdraw in a container that exists. */
export interface PortChange {
  readonly add: readonly PortBinding[];
  readonly remove: readonly PortSelection[];
}

/** Publications of a container's port: all of it, or those at one place of the host. */
export interface PortSelection {
  readonly protocol: PortBinding['protocol'];
  readonly containerPort: number;
  /** "": any. */
  readonly hostIp: string;
  /** 0: any. */
  readonly hostPort: number;
}

/**
 * Publishes and withdraws ports, at once where the container runs; what must be recorded is returned. Connections through a
 * withdrawn port go on, new ones are refused. Throws `conflict` when a port is taken, `invalid` for ports that it does not
 * publish; then nothing has changed. The caller holds the container's lock.
 */
export async function changePorts(
  context: ContainerContext,
  record: ContainerRecord,
  change: PortChange,
): Promise<Partial<Pick<ContainerRecord, 'host' | 'config' | 'state'>>> {
  if (change.add.length === 0 && change.remove.length === 0) return {};
  requireOwnNetwork(record);
  const { state } = record;
  if (isActive(state) && state.endpoints.some(({ directPorts = [] }) => directPorts.length > 0)) {
    throw notImplemented(
      `ports of container ${record.name} cannot be changed while it runs: its network leads to them directly`,
      {
        hint: 'Stop it first; the change counts from its next start on',
      },
    );
  }
  const published: readonly PublishedPort[] = isActive(state) ? state.ports : [];
  const removed = published.filter((port) => change.remove.some((selection) => selects(selection, port)));
  const bindings = bindingsAfter(record, change, removed);
  const config = { ...record.config, exposedPorts: exposedAfter(record, change) };
  const changed = { config, host: { ...record.host, ports: bindings } };
  if (!isActive(state)) return { ...changed, state };
  const { supervisor } = context.running.get(record.id) ?? {};
  if (supervisor === undefined) throw conflict(`container ${record.name} is just ending`);
  const plans = portPlans(context, change.add, state.endpoints);
  const added = await publishAll(context, record.id, supervisor, plans);
  crashPoint('update.published');
  await context.parts.network.unpublish(record.id, removed);
  for (const port of removed) await supervisor.withdraw(port);
  crashPoint('update.withdrawn');
  return { ...changed, state: { ...state, ports: [...without(state.ports, removed), ...added] } };
}

function requireOwnNetwork({ networks, name }: ContainerRecord): void {
  if (networks.length > 0) return;
  throw invalid(`container ${name} has no network of its own to publish ports from`, {
    hint: 'Its --network is host, none or another container',
  });
}

/** The record's bindings without what was selected, each of which must have been published, and with the new ones. */
function bindingsAfter(
  { host, name }: ContainerRecord,
  { add, remove }: PortChange,
  removed: readonly PublishedPort[],
): HostOptions['ports'] {
  const isGone = (binding: PortBinding) =>
    remove.some((selection) => selects(selection, asPublished(binding, removed)));
  for (const selection of remove) {
    const isKnown = host.ports.some((binding) => selects(selection, asPublished(binding, removed)));
    if (!isKnown) throw invalid(`container ${name} does not publish ${describe(selection)}`);
  }
  return [...host.ports.filter((binding) => !isGone(binding)), ...add];
}

/** A binding with the port that the kernel chose for it, if it is among those of the container. */
function asPublished(binding: PortBinding, published: readonly PublishedPort[]): PortBinding {
  if (binding.hostPort !== 0 && binding.lastHostPort === undefined) return binding;
  const bound = published.find(
    ({ protocol, containerPort, hostIp }) =>
      protocol === binding.protocol &&
      containerPort === binding.containerPort &&
      (binding.hostIp === '' || binding.hostIp === hostIp),
  );
  return { ...binding, hostPort: bound?.hostPort ?? 0 };
}

function exposedAfter({ config }: ContainerRecord, { add }: PortChange): readonly string[] {
  return [
    ...new Set([...config.exposedPorts, ...add.map((port) => `${port.containerPort}/${port.protocol}`)]),
  ];
}

function selects(selection: PortSelection, port: Pick<PortBinding, keyof PortSelection>): boolean {
  const isEverywhere = (ip: string) => ['', '0.0.0.0', '::'].includes(ip);
  return (
    selection.protocol === port.protocol &&
    selection.containerPort === port.containerPort &&
    (selection.hostPort === 0 || selection.hostPort === port.hostPort) &&
    (selection.hostIp === '' ||
      selection.hostIp === port.hostIp ||
      (isEverywhere(selection.hostIp) && isEverywhere(port.hostIp)))
  );
}

function describe({ protocol, containerPort, hostIp, hostPort }: PortSelection): string {
  const at = hostPort === 0 ? '' : ` at ${hostIp === '' ? '' : `${hostIp}:`}${hostPort}`;
  return `${containerPort}/${protocol}${at}`;
}

/** All of the new ports, or none. Throws `conflict` when one is taken. */
export async function publishAll(
  context: ContainerContext,
  id: ContainerId,
  supervisor: Supervisor,
  plans: readonly PortPlan[],
): Promise<PublishedPort[]> {
  const added: PublishedPort[] = [];
  try {
    for (const plan of plans) added.push(await supervisor.publish(plan));
    await context.parts.network.publish(id, added);
    return added;
  } catch (error) {
    await takeBack(context, id, supervisor, added);
    throw error;
  }
}

/** Closes ports of a container that runs. */
export async function takeBack(
  context: ContainerContext,
  id: ContainerId,
  supervisor: Supervisor,
  ports: readonly PublishedPort[],
): Promise<void> {
  await context.parts.network.unpublish(id, ports);
  for (const port of ports) await supervisor.withdraw(port);
}

function without(ports: readonly PublishedPort[], removed: readonly PublishedPort[]): PublishedPort[] {
  return ports.filter((port) => !removed.includes(port));
}
