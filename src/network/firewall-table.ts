import type { BridgeNetwork, DirectPort, PublishedPort } from './contract.ts';

/**
 * The nftables table of one instance as text: sets and maps, and a fixed handful of rules that look things up in
 * them, so that a container's start or end changes elements only and a packet's cost does not grow with them.
 *
 * Its chains accept nothing that the host's own rules drop: an accept ends the walk through this table, never
 * through the others at the same hook (nft(8), "verdict statement").
 */
export function tableScript(
  table: string,
  networks: Iterable<BridgeNetwork>,
  ports: Iterable<PublishedPort>,
  directPorts: Iterable<DirectPort> = [],
): string {
  const elements = collect([
    ...[...networks].flatMap(networkElements),
    ...[...ports].flatMap((port) => portElements(port)),
    ...[...directPorts].map(directElement),
  ]);
  const holding = (set: keyof typeof SETS) => {
    const entries = elements.get(set);
    const list = entries === undefined ? '' : `\n    elements = { ${[...entries].join(', ')} }`;
    return `  ${set.startsWith('port') ? 'map' : 'set'} ${set} {\n    ${SETS[set]}${list}\n  }`;
  };
  return `table inet ${table}
delete table inet ${table}
table inet ${table} {
${SET_NAMES.map(holding).join('\n')}
${CHAINS}}
`;
}

/** Something that a set or map holds. A map's element is deleted by its key alone. */
export interface Element {
  readonly set: keyof typeof SETS;
  readonly key: string;
  readonly value?: string;
}

/** One command for each set that elements belong to; equal elements count once. */
export function elementCommands(
  table: string,
  verb: 'add' | 'delete',
  elements: readonly Element[],
): string[] {
  const shown = verb === 'add' ? elements : elements.map(({ set, key }) => ({ set, key }));
  return [...collect(shown)].map(
    ([set, entries]) => `${verb} element inet ${table} ${set} { ${[...entries].join(', ')} }`,
  );
}

export function networkElements(network: BridgeNetwork): Element[] {
  const { bridge, subnet, ipv6, internal, separated = false, keepsAddress = false } = network;
  const name = `"${bridge}"`;
  const elements: Element[] = [
    { set: 'bridges', key: name },
    { set: 'one_subnet', key: `${subnet} . ${subnet}` },
  ];
  if (ipv6 !== undefined) elements.push({ set: 'one_subnet6', key: `${ipv6.subnet} . ${ipv6.subnet}` });
  if (!separated) elements.push({ set: 'one_network', key: `${name} . ${name}` });
  if (internal) return [...elements, { set: 'internal', key: name }];
  const { gatewayModes = {} } = network;
  const families = [
    { subnet, mode: gatewayModes.ipv4, suffix: '' } as const,
    ...(ipv6 === undefined ? [] : [{ subnet: ipv6.subnet, mode: gatewayModes.ipv6, suffix: '6' } as const]),
  ];
  for (const family of families) {
    if (family.mode === 'routed') elements.push({ set: `routed${family.suffix}`, key: family.subnet });
    else if (!keepsAddress) elements.push({ set: `outgoing${family.suffix}`, key: family.subnet });
    if (family.mode === 'nat-unprotected') {
      elements.push({ set: `unprotected${family.suffix}`, key: family.subnet });
    }
  }
  return elements;
}

/** A port that is reached by the container's own address. */
export function directElement({ protocol, address, port, from }: DirectPort): Element {
  const suffix = address.includes(':') ? '6' : '';
  const key = `${address} . ${protocol} . ${port}`;
  return from === undefined
    ? { set: `direct${suffix}`, key }
    : { set: `trusted${suffix}`, key: `"${from}" . ${key}` };
}

/**
 * Ports on loopback are not translated: the process that holds the listening socket forwards them, and only what
 * comes through the loopback interface may reach it. The same process serves the IPv6 addresses of a container that has
 * IPv4 only.
 */
export function portElements(port: PublishedPort): Element[] {
  const { protocol, hostIp, hostPort, containerIp, containerPort } = port;
  if (hostIp.startsWith('127.')) {
    return [{ set: 'loopback_only', key: `${hostIp} . ${protocol} . ${hostPort}` }];
  }
  const suffix = hostIp.includes(':') ? '6' : '';
  if (hostIp === '::1' || containerIp.includes(':') !== (suffix === '6')) return [];
  const value = `${containerIp} . ${containerPort}`;
  return hostIp === '0.0.0.0' || hostIp === '::'
    ? [{ set: `port${suffix}_at_any_address`, key: `${protocol} . ${hostPort}`, value }]
    : [{ set: `port${suffix}_at_one_address`, key: `${hostIp} . ${protocol} . ${hostPort}`, value }];
}

/** The declarations of sets and maps. */
const SETS = {
  bridges: 'type ifname',
  internal: 'type ifname',
  /** From a bridge to itself, where its containers may reach each other. */
  one_network: 'type ifname . ifname',
  /** From a subnet to itself. */
  one_subnet: 'type ipv4_addr . ipv4_addr; flags interval',
  /** Subnets whose way out has the host's address. */
  outgoing: 'type ipv4_addr; flags interval',
  one_subnet6: 'type ipv6_addr . ipv6_addr; flags interval',
  outgoing6: 'type ipv6_addr; flags interval',
  /** Subnets whose containers are reached by their own addresses: their published ports, or all of them. */
  routed: 'type ipv4_addr; flags interval',
  routed6: 'type ipv6_addr; flags interval',
  unprotected: 'type ipv4_addr; flags interval',
  unprotected6: 'type ipv6_addr; flags interval',
  /** Those ports, and the ones that are for what comes in by certain interfaces. */
  direct: 'type ipv4_addr . inet_proto . inet_service',
  direct6: 'type ipv6_addr . inet_proto . inet_service',
  trusted: 'type ifname . ipv4_addr . inet_proto . inet_service',
  trusted6: 'type ifname . ipv6_addr . inet_proto . inet_service',
  loopback_only: 'type ipv4_addr . inet_proto . inet_service',
  port_at_any_address: 'type inet_proto . inet_service : ipv4_addr . inet_service',
  port_at_one_address: 'type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service',
  port6_at_any_address: 'type inet_proto . inet_service : ipv6_addr . inet_service',
  port6_at_one_address: 'type ipv6_addr . inet_proto . inet_service : ipv6_addr . inet_service',
};

const SET_NAMES = [
  'bridges',
  'internal',
  'one_network',
  'one_subnet',
  'outgoing',
  'one_subnet6',
  'outgoing6',
  'routed',
  'routed6',
  'unprotected',
  'unprotected6',
  'direct',
  'direct6',
  'trusted',
  'trusted6',
  'loopback_only',
  'port_at_any_address',
  'port_at_one_address',
  'port6_at_any_address',
  'port6_at_one_address',
] as const satisfies readonly (keyof typeof SETS)[];

/**
 * guard: a host with route_localnet set would let neighbours in to ports on its loopback.
 * prerouting, output: a port at an address of the host leads to its container, for neighbours, for containers (of
 * the same network too) and for the host itself.
 * postrouting: what leaves the networks has the host's address; so has what comes back to its own network through a
 * published port, as the answer must pass the host again. Other clients of a port keep their address.
 * forward: networks do not reach each other, internal ones reach nothing, and from outside a container is reached
 * by its published ports only, and by its own address only where its network says so.
 */
const CHAINS = `  chain guard {
    type filter hook prerouting priority raw; policy accept;
    iifname != "lo" ip daddr . meta l4proto . th dport @loopback_only drop
  }
  chain to_container {
    dnat ip to ip daddr . meta l4proto . th dport map @port_at_one_address
    dnat ip to meta l4proto . th dport map @port_at_any_address
    dnat ip6 to ip6 daddr . meta l4proto . th dport map @port6_at_one_address
    dnat ip6 to meta l4proto . th dport map @port6_at_any_address
  }
  chain prerouting {
    type nat hook prerouting priority dstnat; policy accept;
    ip daddr != 127.0.0.0/8 fib daddr type local jump to_container
    ip6 daddr != ::1 fib daddr type local jump to_container
  }
  chain output {
    type nat hook output priority -100; policy accept;
    ip daddr != 127.0.0.0/8 fib daddr type local jump to_container
    ip6 daddr != ::1 fib daddr type local jump to_container
  }
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr @outgoing oifname != @bridges masquerade
    ct status dnat ip saddr . ip daddr @one_subnet masquerade
    ip6 saddr @outgoing6 oifname != @bridges masquerade
    ct status dnat ip6 saddr . ip6 daddr @one_subnet6 masquerade
  }
  chain forward {
    type filter hook forward priority filter; policy accept;
    ct state established,related accept
    iifname . oifname @one_network accept
    iifname @internal drop
    oifname @internal drop
    oifname @bridges ct status dnat accept
    ip daddr . meta l4proto . th dport @direct accept
    ip6 daddr . meta l4proto . th dport @direct6 accept
    iifname . ip daddr . meta l4proto . th dport @trusted accept
    iifname . ip6 daddr . meta l4proto . th dport @trusted6 accept
    ip daddr @routed meta l4proto icmp accept
    ip6 daddr @routed6 meta l4proto ipv6-icmp accept
    ip daddr @unprotected accept
    ip6 daddr @unprotected6 accept
    oifname @bridges drop
  }
`;

function collect(elements: readonly Element[]): Map<Element['set'], Set<string>> {
  const bySet = new Map<Element['set'], Set<string>>();
  for (const { set, key, value } of elements) {
    const entries = bySet.get(set) ?? new Set();
    entries.add(value === undefined ? key : `${key} : ${value}`);
    bySet.set(set, entries);
  }
  return bySet;
}
