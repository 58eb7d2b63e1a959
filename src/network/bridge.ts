import { readFileSync } from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { conflict, systemErrorCode } from '../base/index.ts';
import { macAddressOf } from './address-pool.ts';
import type { BridgeNetwork } from './contract.ts';
import { parseSubnet } from './ip.ts';
import type { HostLink, IpStream } from './iproute.ts';

/** The kernel's limit on the ports of a bridge (net/bridge/br_private.h, BR_MAX_PORTS). */
export const MAX_BRIDGE_PORTS = 1023;

/**
 * How many neighbours the kernel keeps at a time, of all networks together; beyond that, containers are not reached. Only the
 * host itself has the setting: in another network namespace, there is no limit to be known.
 */
export function mostNeighbours(): number {
  try {
    return Number(readFileSync('/proc/sys/net/ipv4/neigh/default/gc_thresh3', 'utf8'));
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return Number.POSITIVE_INFINITY;
    throw error;
  }
}

/**
 * Makes the bridge of a network, or gives an existing one of that name what it lacks. `owner` becomes its
 * alias. A host that has to let containers out gets net.ipv4.ip_forward; its FORWARD chain's policy stays as it is.
 * Throws `conflict` when an interface of that name is no bridge, or belongs to another instance.
 */
export async function ensureBridge(
  ip: IpStream,
  network: BridgeNetwork,
  { owner, links }: { owner: string; links: readonly HostLink[] },
): Promise<void> {
  const { bridge, mtu, internal, ipv6 } = network;
  const present = links.find(({ name }) => name === bridge);
  if (present !== undefined && (present.kind !== 'bridge' || (present.alias ?? owner) !== owner)) {
    throw conflict(
      `network ${network.name} cannot use the interface ${bridge}: this host has one of that name`,
      {
        hint: 'Remove that interface, or choose another name',
      },
    );
  }
  await ip.run([
    // A fixed address: otherwise a bridge takes the lowest of its ports', and containers' ARP entries go stale.
    ...(present === undefined
      ? [`link add name ${bridge} address ${macAddressOf(network.gateway)} type bridge forward_delay 0`]
      : []),
    `link set ${bridge} alias ${owner}`,
    `link set ${bridge} mtu ${mtu}`,
    `link set ${bridge} addrgenmode none`,
    ...hostAddresses(network),
    `link set ${bridge} up`,
  ]);
  if (internal) return;
  await enableForwarding();
  if (ipv6 !== undefined) await enableIPv6Forwarding();
}

function hostAddresses(network: BridgeNetwork): string[] {
  const { bridge, gateway, subnet, ipv6, gatewayModes = {}, withoutHostAddress = false } = network;
  const hasIPv4 = !withoutHostAddress && gatewayModes.ipv4 !== 'isolated';
  const hasIPv6 = gatewayModes.ipv6 !== 'isolated';
  return [
    ...(hasIPv4 ? [`addr replace ${gateway}/${parseSubnet(subnet).prefixLength} dev ${bridge}`] : []),
    // nodad: nobody else is on the link yet, and the address must be usable at once.
    ...(ipv6 === undefined || !hasIPv6
      ? []
      : [
          `addr replace ${ipv6.gateway}/${parseSubnet(ipv6.subnet).prefixLength} dev ${bridge} nodad`,
          `addr replace ${LINK_LOCAL} dev ${bridge} nodad`,
        ]),
  ];
}

/** Where the host asks from for a container that it forwards to (kernel, ndisc_send_ns): without it, nobody gets in by IPv6. */
const LINK_LOCAL = 'fe80::1/64';

const FORWARDING = '/proc/sys/net/ipv4/ip_forward';

const IPV6_SETTINGS = '/proc/sys/net/ipv6/conf';

/**
 * A host that forwards no longer takes routes from router advertisements, unless accept_ra is 2 (kernel,
 * networking/ip-sysctl): its interfaces that took some go on doing so.
 */
async function enableIPv6Forwarding(): Promise<void> {
  const forwarding = `${IPV6_SETTINGS}/all/forwarding`;
  if ((await readFile(forwarding, 'utf8')).trim() !== '0') return;
  for (const name of await readdir(IPV6_SETTINGS)) {
    const advertisements = `${IPV6_SETTINGS}/${name}/accept_ra`;
    if ((await readFile(advertisements, 'utf8')).trim() === '1') await writeFile(advertisements, '2');
  }
  await writeFile(forwarding, '1');
}

async function enableForwarding(): Promise<void> {
  if ((await readFile(FORWARDING, 'utf8')).trim() !== '1') await writeFile(FORWARDING, '1');
}
