import { type Endpoint, listeningPorts, type PortReach, type PublishedPort } from '../../network/index.ts';
import { type ContainerRecord, hasOwnKernel, isActive } from './container.ts';
import type { ContainerContext } from './context.ts';

/** A published port of a running container, who gets to it, and whether anything answers. */
export interface PublishedPortReport {
  readonly container: ContainerRecord;
  readonly port: PublishedPort;
  readonly reach: PortReach;
  /** Undefined where the container's sockets cannot be seen. */
  readonly isListening: boolean | undefined;
}

/** Every published port of the running containers in `records`, by the host's rules as they are now. */
export async function reportPublishedPorts(
  context: ContainerContext,
  records: readonly ContainerRecord[],
  signal: AbortSignal,
): Promise<PublishedPortReport[]> {
  const published = records.flatMap((container) => {
    const { state } = container;
    const networkId = isActive(state) ? state.endpoints[0]?.networkId : undefined;
    if (!isActive(state) || networkId === undefined) return [];
    // A guest's sockets cannot be seen from here.
    const pid = hasOwnKernel(container) ? undefined : state.pid;
    return [...state.ports, ...directlyReached(state.endpoints)].map((port) => ({
      ...{ container, pid },
      port: { ...port, networkId },
    }));
  });
  const reaches = await context.parts.network.reach(
    published.map(({ port }) => port),
    signal,
  );
  return Promise.all(
    published.flatMap(({ container, pid, port }, index) => {
      const reach = reaches[index];
      if (reach === undefined) return [];
      return [
        isListening(pid, port).then((listening) => ({ container, port, reach, isListening: listening })),
      ];
    }),
  );
}

/** Ports that a routed network leads to by the container's own address: that is where they are published. */
function directlyReached(endpoints: readonly Endpoint[]): PublishedPort[] {
  const ports = endpoints.flatMap(({ directPorts = [] }) => directPorts);
  return ports
    .filter(({ from }) => from === undefined)
    .map(({ protocol, address, port }) => ({
      ...{ protocol, hostIp: address, hostPort: port },
      ...{ containerIp: address, containerPort: port },
    }));
}

async function isListening(pid: number | undefined, port: PublishedPort): Promise<boolean | undefined> {
  if (pid === undefined || port.protocol === 'sctp') return undefined;
  const ports = await listeningPorts(pid, port.protocol).catch(() => undefined);
  return ports?.includes(port.containerPort);
}
