import { isIP } from 'node:net';
import { stringify } from 'yaml';
import type { FirstBootCard } from '../systems.ts';

/**
 * cloud-init's network-config in its version 2, which is netplan's. Cards are known by their MAC address: which name a system
 * gives them is its own matter. Destinations are numbers, since older versions do not know the word "default".
 */
export function renderNetworkConfig(cards: readonly FirstBootCard[]): string {
  const ethernets = cards.map((card, index) => [`card${index}`, ethernet(card)] as const);
  return stringify({ version: 2, ethernets: Object.fromEntries(ethernets) });
}

function ethernet({ macAddress, search, network }: FirstBootCard) {
  const match = { macaddress: macAddress.toLowerCase() };
  if (network === 'dhcp') {
    return { match, dhcp4: true, ...(search.length === 0 ? {} : { nameservers: { search } }) };
  }
  const { addresses, gateways, nameServers } = network;
  const routes = gateways.map((via) => ({ to: isIP(via) === 6 ? '::/0' : '0.0.0.0/0', via }));
  return {
    ...{ match, dhcp4: false, addresses },
    ...(routes.length === 0 ? {} : { routes }),
    nameservers: { addresses: nameServers, search },
  };
}
