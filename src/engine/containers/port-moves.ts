import { crashPoint, errorMessage } from '../../base/index.ts';
import { addressesOf, type Endpoint } from '../../network/index.ts';
import type { PortPlan, Supervisor } from '../../runtime/index.ts';
import { portPlans, reachedAt } from './connect.ts';
import { type ContainerRecord, isAlive } from './container.ts';
import type { ContainerContext } from './context.ts';
import { publishAll, takeBack } from './publish.ts';

/**
 * Leads published ports that went to an endpoint which is being taken away to the container's first one; without any
 * endpoint they are closed until the next {@link publishAnew}. Whoever disconnects cannot do otherwise for a port that
 * somebody else has taken meanwhile: it stays closed, and the log says so.
 */
export async function movePorts(
  context: ContainerContext,
  { id, state }: ContainerRecord,
  leaving: Endpoint,
): Promise<void> {
  const supervisor = context.running.get(id)?.supervisor;
  if (supervisor === undefined || !isAlive(state)) return;
  const lost = new Set(addressesOf(leaving));
  const stranded = state.ports.filter(({ containerIp }) => lost.has(containerIp));
  if (stranded.length === 0) return;
  await takeBack(context, id, supervisor, stranded);
  crashPoint('disconnect.closed');
  const first = firstReachable(state.endpoints);
  const plans = first === undefined ? [] : stranded.map((port) => redirected(port, first));
  const kept = state.ports.filter((port) => !stranded.includes(port));
  let moved: readonly PortPlan[] = [];
  try {
    if (plans.length > 0) moved = await publishAll(context, id, supervisor, plans);
  } catch (error) {
    context.parts.log.warn({ id, error: errorMessage(error) }, 'ports were closed as their network went');
  }
  context.collection.update(id, { state: { ...state, ports: [...kept, ...moved] } });
}

/**
 * After a start of berthd: makes the supervisor hold what the record says is published, where a berthd was killed between the
 * two. Ports that the record does not know are closed, those that it knows are opened again and lead to a network that the
 * container is in; one that somebody else has taken meanwhile is given up, and the log says so. Returns the record as it
 * is then.
 */
export async function settlePorts(
  context: ContainerContext,
  record: ContainerRecord,
  supervisor: Supervisor,
): Promise<ContainerRecord> {
  const { id, state } = record;
  if (!isAlive(state)) return record;
  const known = new Set(state.endpoints.flatMap(addressesOf));
  const first = firstReachable(state.endpoints);
  const wanted = state.ports.flatMap((port) => {
    if (known.has(port.containerIp)) return [port];
    return first === undefined ? [] : [redirected(port, first)];
  });
  const isIn = (ports: readonly PortPlan[], port: PortPlan) => ports.some((each) => isSame(each, port));
  const unless = (what: string) => (error: unknown) => {
    context.parts.log.warn({ id, error: errorMessage(error) }, what);
  };
  for (const port of supervisor.ports.filter((held) => !isIn(wanted, held))) {
    await supervisor.withdraw(port).catch(unless('a port that is not published could not be closed'));
  }
  const ports: PortPlan[] = [];
  for (const port of wanted) {
    const isHeld = isIn(supervisor.ports, port);
    const open = isHeld
      ? port
      : await supervisor.publish(port).catch(unless('a published port stays closed'));
    if (open !== undefined) ports.push(open);
  }
  const isAsRecorded = ports.length === state.ports.length && state.ports.every((port) => isIn(ports, port));
  return isAsRecorded ? record : context.collection.update(id, { state: { ...state, ports } });
}

function isSame(one: PortPlan, other: PortPlan): boolean {
  return (
    one.protocol === other.protocol &&
    one.hostIp === other.hostIp &&
    one.hostPort === other.hostPort &&
    one.containerIp === other.containerIp &&
    one.containerPort === other.containerPort
  );
}

/** Published ports lead to it; undefined: the host reaches the container by none. */
function firstReachable(endpoints: readonly Endpoint[]): Endpoint | undefined {
  return endpoints.find(({ isApart = false }) => !isApart);
}

/** Publishes what a container asks for, when its first network comes after it had none. Throws `conflict` for a taken port. */
export async function publishAnew(
  context: ContainerContext,
  { id, host }: ContainerRecord,
  endpoints: readonly Endpoint[],
): Promise<readonly PortPlan[]> {
  const supervisor = context.running.get(id)?.supervisor;
  if (supervisor === undefined || host.ports.length === 0) return [];
  return publishAll(context, id, supervisor, portPlans(context, host.ports, endpoints));
}

function redirected(port: PortPlan, endpoint: Endpoint): PortPlan {
  return { ...port, containerIp: reachedAt(endpoint, port.hostIp) };
}
