import type { BridgeNetwork, Endpoint } from './contract.ts';

/**
 * Commands for veth pairs. Both ends have no IPv6 address, not even a link-local one: networks are IPv4, and the
 * kernel would delay and chat about each.
 */

/** Makes a pair that is connected to nothing; the inner end is born in the namespace. */
export function makePair(hostInterface: string, containerInterface: string, namespacePath: string): string[] {
  return [
    `link add ${hostInterface} type veth peer name ${containerInterface} netns ${namespacePath}`,
    `link set ${hostInterface} addrgenmode none`,
  ];
}

/** Plugs the host's end into the bridge. */
export function plugIn(hostInterface: string, { bridge, mtu }: BridgeNetwork): string[] {
  return [`link set ${hostInterface} mtu ${mtu}`, `link set ${hostInterface} master ${bridge} up`];
}

/**
 * In the namespace: addresses, link and default route. Each further interface's default route has a higher
 * metric, so that the next network takes over when the first is disconnected.
 */
export function configure(endpoint: Endpoint, { mtu }: BridgeNetwork): string[] {
  const { containerInterface: name, macAddress, address, prefixLength, gateway } = endpoint;
  const metric = Number(/\d+$/.exec(name)?.[0] ?? 0);
  return [
    `link set ${name} addrgenmode none`,
    `link set ${name} address ${macAddress}`,
    `link set ${name} mtu ${mtu}`,
    `addr add ${address}/${prefixLength} broadcast + dev ${name}`,
    `link set ${name} up`,
    ...(gateway === undefined ? [] : [`route add default via ${gateway} dev ${name} metric ${metric}`]),
  ];
}
