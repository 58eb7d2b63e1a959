/**
 * Docker's gateway_mode_ipv4 and _ipv6. "routed": published ports are reached by the container's own address, which is kept
 * on the way out. "nat-unprotected": as nat, but every port is reached by the container's address too. "isolated": the host
 * has no address on the bridge.
 */
export const GATEWAY_MODES = ['nat', 'routed', 'nat-unprotected', 'isolated'] as const;

export type GatewayMode = (typeof GATEWAY_MODES)[number];

export interface GatewayModes {
  readonly ipv4?: GatewayMode;
  readonly ipv6?: GatewayMode;
}
