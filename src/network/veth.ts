import type { BridgeNetwork, Endpoint, LinkedNetwork } from './contract.ts';

/**
 * Commands for veth pairs. Neither end has a link-local IPv6 address, about which the kernel would delay and chat; a
 * network with IPv6 gives the inner end an address of its own.
 */

/**
 * In the namespace: makes a pair that is connected to nothing; the outer end is born in the namespace of this process, the
 * host's. With both ends up before it is plugged in, a bridge forwards at once; otherwise it waits for the kernel to
 * notice, and a first packet is lost. Not made from the host: `ip -batch` never closes a namespace that it is given by a path,
 * and would keep each one until it ends.
 */
export function makePair(hostInterface: string, containerInterface: string): string[] {
  return [
    `link add ${containerInterface} type veth peer name ${hostInterface} netns ${process.pid}`,
    ...bringUp(containerInterface),
  ];
}

/** Brings one end up. Doing it again changes nothing. */
export function bringUp(name: string): string[] {
  return [`link set ${name} addrgenmode none`, `link set ${name} up`];
}

/**
 * Plugs the host's end into the bridge. Hairpin: where the host filters bridged frames (bridge-nf-call-iptables, as
 * dockerd sets it), a container that asks for its own published port gets its packet back through its own port.
 */
export function plugIn(hostInterface: string, { bridge, mtu, separated = false }: BridgeNetwork): string[] {
  return [
    `link set ${hostInterface} mtu ${mtu}`,
    `link set ${hostInterface} master ${bridge}`,
    // Frames pass between an isolated port and the bridge itself, not between two isolated ports (bridge(8)). Not even
    // those to a published port, where the host filters bridged frames: its translation then happens on the bridge.
    `link set ${hostInterface} type bridge_slave hairpin on isolated ${separated ? 'on' : 'off'}`,
  ];
}

/**
 * In the namespace: link, addresses and default route; `called` is the interface's name until then. Each further interface's default route has a higher
 * metric, so that the next network takes over when the first is disconnected.
 */
export function configure(
  endpoint: Endpoint,
  { mtu }: LinkedNetwork,
  called = endpoint.containerInterface,
): string[] {
  const { containerInterface: name, macAddress, address, prefixLength, ipv6 } = endpoint;
  return [
    // Older kernels rename an interface only while it is down.
    ...(called === name ? [] : [`link set ${called} down`, `link set ${called} name ${name}`]),
    ...bringUp(name),
    `link set ${name} address ${macAddress}`,
    `link set ${name} mtu ${mtu}`,
    `addr add ${address}/${prefixLength} broadcast + dev ${name}`,
    ...(ipv6 === undefined ? [] : [`addr add ${ipv6.address}/${ipv6.prefixLength} dev ${name} nodad`]),
    ...changeRoutes('add', endpoint),
  ];
}

/** In the namespace: the default routes as they are, taken away and given again as they are wanted. */
export function reorderRoutes(before: readonly Endpoint[], after: readonly Endpoint[]): string[] {
  const changed = after.filter((endpoint, index) => {
    const old = before[index];
    return old !== undefined && metricOf(old) !== metricOf(endpoint);
  });
  const names = new Set(changed.map(({ containerInterface }) => containerInterface));
  const old = before.filter(({ containerInterface }) => names.has(containerInterface));
  return [
    ...old.flatMap((endpoint) => changeRoutes('del', endpoint)),
    ...changed.flatMap((endpoint) => changeRoutes('add', endpoint)),
  ];
}

/** In the namespace, each a command of its own: takes away the default routes of interfaces, whatever they are. */
export function flushRoutes(endpoints: readonly Endpoint[]): string[][] {
  return endpoints.flatMap(({ containerInterface, ipv6 }) =>
    ['-4', ...(ipv6 === undefined ? [] : ['-6'])].map((family) => [
      'ip',
      family,
      'route',
      'flush',
      'exact',
      'default',
      'dev',
      containerInterface,
    ]),
  );
}

/** In the namespace: the default routes of interfaces that have none. */
export function giveRoutes(endpoints: readonly Endpoint[]): string[] {
  return endpoints.flatMap((endpoint) => changeRoutes('add', endpoint));
}

function changeRoutes(verb: 'add' | 'del', endpoint: Endpoint): string[] {
  const { gateway, ipv6, containerInterface: name } = endpoint;
  const metric = metricOf(endpoint);
  return [
    ...(gateway === undefined ? [] : [`route ${verb} default via ${gateway} dev ${name} metric ${metric}`]),
    // In IPv6, metric 0 means the kernel's default of 1024.
    ...(ipv6?.gateway === undefined
      ? []
      : [`route ${verb} default via ${ipv6.gateway} dev ${name} metric ${metric + 1024}`]),
  ];
}

function metricOf({ metric, containerInterface }: Endpoint): number {
  return metric ?? Number(/\d+$/.exec(containerInterface)?.[0] ?? 0);
}
