import type { PortProtocol } from '../base/index.ts';
import type { DirectPort, Endpoint, LinkedNetwork } from './contract.ts';

/** A port of a container, whatever leads to it. */
export interface ContainerPort {
  readonly protocol: PortProtocol;
  readonly containerPort: number;
}

/** Which of a container's published ports a network leads to by the container's own address; `endpoint` has its addresses. */
export function directPorts(
  network: LinkedNetwork,
  { address, ipv6 }: Pick<Endpoint, 'address' | 'ipv6'>,
  ports: readonly ContainerPort[],
): DirectPort[] {
  if (network.driver !== 'bridge') return [];
  const { gatewayModes = {}, trustedInterfaces = [] } = network;
  const places = [
    { address, mode: gatewayModes.ipv4 },
    ...(ipv6 === undefined ? [] : [{ address: ipv6.address, mode: gatewayModes.ipv6 }]),
  ];
  return ports.flatMap(({ protocol, containerPort: port }) =>
    places.flatMap(({ address: container, mode }): DirectPort[] => {
      if (mode === 'routed') return [{ protocol, address: container, port }];
      return trustedInterfaces.map((from) => ({ protocol, address: container, port, from }));
    }),
  );
}
