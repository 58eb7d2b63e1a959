import { readFile, writeFile } from 'node:fs/promises';
import { deleteLinks, hostLinks, ipBatch } from './commands.ts';
import type { BridgeNetwork } from './contract.ts';
import { parseSubnet } from './ipv4.ts';

/** Makes the bridge interface of a network, or leaves one of its name as it is. */
export async function ensureBridge(network: BridgeNetwork): Promise<void> {
  const { bridge, gateway, subnet, mtu, internal } = network;
  if (!(await hostLinks()).includes(bridge)) {
    await ipBatch([
      `link add name ${bridge} mtu ${mtu} type bridge forward_delay 0`,
      `addr add ${gateway}/${parseSubnet(subnet).prefixLength} dev ${bridge}`,
      `link set ${bridge} up`,
    ]);
  }
  if (!internal) await enableForwarding();
}

export async function removeBridge({ bridge }: BridgeNetwork): Promise<void> {
  await deleteLinks([bridge]);
}

const FORWARDING = '/proc/sys/net/ipv4/ip_forward';

/** Containers reach the outside only through a host that forwards; the policy of its FORWARD chain stays as it is. */
async function enableForwarding(): Promise<void> {
  if ((await readFile(FORWARDING, 'utf8')).trim() !== '1') await writeFile(FORWARDING, '1');
}
