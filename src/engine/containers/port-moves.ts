import { errorMessage } from '../../base/index.ts';
import { addressesOf, type Endpoint } from '../../network/index.ts';
import type { PortPlan } from '../../runtime/index.ts';
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
  const first = state.endpoints.find(({ isApart = false }) => !isApart);
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
