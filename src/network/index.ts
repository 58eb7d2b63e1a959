export { macAddressOf } from './address-pool.ts';
export {
  addressesOf,
  type NetworkFilesInput,
  networkFiles,
  RESOLVER_ADDRESS,
  searchDomains,
  withChangedLines,
} from './container-files.ts';
export type * from './contract.ts';
export { createNetworkDriver, type NetworkDriverOptions } from './driver.ts';
export { GATEWAY_MODES, type GatewayMode } from './gateway-modes.ts';
export { checkInterfaceSysctl } from './interface-sysctls.ts';
export { createNameDirectory } from './name-directory.ts';
export { isServableName } from './name-files.ts';
export { checkInterfaceName } from './names.ts';
export * from './ports.ts';
export { type SubnetSource, subnetContains } from './subnets.ts';
