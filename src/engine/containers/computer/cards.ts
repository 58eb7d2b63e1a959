import { type Endpoint, macAddressOf } from '../../../network/index.ts';
import { type ComputerCard, type FirstBootCard, nameServerOf } from '../../../vm/index.ts';
import { isBridge } from '../../networks.ts';
import type { ContainerContext } from '../context.ts';
import { mtuOf } from '../vm/bundle.ts';

/** The cards of a machine: of each family the first one that leads out is the way out, as in a container. */
export function cardsOf(context: ContainerContext, endpoints: readonly Endpoint[]): ComputerCard[] {
  const way = endpoints.find(({ gateway }) => gateway !== undefined);
  const way6 = endpoints.find(({ ipv6 }) => ipv6?.gateway !== undefined);
  return endpoints.map((endpoint) => {
    const { macAddress, address, prefixLength, ipv6 } = endpoint;
    const network = context.networks.byId(endpoint.networkId)?.network;
    const gateway = endpoint === way ? endpoint.gateway : undefined;
    const isBridged = network !== undefined && isBridge(network); // then the gateway is the bridge
    return {
      ...{ macAddress, mtu: mtuOf(network), address, prefixLength, gateway },
      ...(gateway === undefined || !isBridged ? {} : { gatewayMacAddress: macAddressOf(gateway) }),
      ...(ipv6 === undefined
        ? {}
        : { ipv6: { ...ipv6, gateway: endpoint === way6 ? ipv6.gateway : undefined } }),
    };
  });
}

/**
 * What a fresh system is told of its cards. Addresses come by DHCP, as they may be others at the next start; nobody tells a
 * system of IPv6, so on such networks it is given both as they are now.
 */
export function firstBootCards(cards: readonly ComputerCard[]): FirstBootCard[] {
  return cards.map((card) => {
    const { macAddress, address, prefixLength, gateway, ipv6 } = card;
    if (ipv6 === undefined) return { macAddress, network: 'dhcp' };
    return {
      macAddress,
      network: {
        addresses: [`${address}/${prefixLength}`, `${ipv6.address}/${ipv6.prefixLength}`],
        gateways: [gateway, ipv6.gateway].filter((way) => way !== undefined),
        nameServers: [nameServerOf(card)],
        search: card.search ?? [],
      },
    };
  });
}
