import { readFile, writeFile } from 'node:fs/promises';
import { conflict } from '../base/index.ts';
import { macAddressOf } from './address-pool.ts';
import type { BridgeNetwork } from './contract.ts';
import type { HostLink, IpStream } from './iproute.ts';
import { parseSubnet } from './ipv4.ts';

/** The kernel's limit on the ports of a bridge (net/bridge/br_private.h, BR_MAX_PORTS). */
export const MAX_BRIDGE_PORTS = 1023;

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
  const { bridge, gateway, subnet, mtu, internal } = network;
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
      ? [`link add name ${bridge} address ${macAddressOf(gateway)} type bridge forward_delay 0`]
      : []),
    `link set ${bridge} alias ${owner}`,
    `link set ${bridge} mtu ${mtu}`,
    `link set ${bridge} addrgenmode none`,
    `addr replace ${gateway}/${parseSubnet(subnet).prefixLength} dev ${bridge}`,
    `link set ${bridge} up`,
  ]);
  if (!internal) await enableForwarding();
}

const FORWARDING = '/proc/sys/net/ipv4/ip_forward';

async function enableForwarding(): Promise<void> {
  if ((await readFile(FORWARDING, 'utf8')).trim() !== '1') await writeFile(FORWARDING, '1');
}
