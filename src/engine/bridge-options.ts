import { isIPv4 } from 'node:net';
import { invalid, notImplemented } from '../base/index.ts';
import { GATEWAY_MODES, type GatewayMode, type NewBridge } from '../network/index.ts';

type BridgeOptions = Pick<
  NewBridge,
  | 'mtu'
  | 'bridge'
  | 'separated'
  | 'keepsAddress'
  | 'publishAt'
  | 'interfacePrefix'
  | 'gatewayModes'
  | 'withoutHostAddress'
  | 'trustedInterfaces'
>;

/** What each of Docker's options of the bridge driver means here. */
const OPTIONS: Readonly<Record<string, (value: string, name: string) => BridgeOptions>> = {
  'com.docker.network.driver.mtu': (value, name) => {
    if (!/^\d+$/.test(value)) throw unparsable(name, value, 'it must be a number');
    return { mtu: Number(value) };
  },
  'com.docker.network.bridge.name': (value) => ({ bridge: value }),
  'com.docker.network.bridge.enable_icc': (value, name) => ({ separated: !flag(name, value) }),
  'com.docker.network.bridge.enable_ip_masquerade': (value, name) => ({ keepsAddress: !flag(name, value) }),
  'com.docker.network.bridge.host_binding_ipv4': (value, name) => {
    if (!isIPv4(value)) throw unparsable(name, value, 'it must be an IPv4 address');
    return { publishAt: value };
  },
  'com.docker.network.container_iface_prefix': (value) => ({ interfacePrefix: value }),
  'com.docker.network.bridge.inhibit_ipv4': (value, name) => ({ withoutHostAddress: flag(name, value) }),
  'com.docker.network.bridge.gateway_mode_ipv4': (value, name) => ({
    gatewayModes: { ipv4: gatewayMode(name, value) },
  }),
  'com.docker.network.bridge.gateway_mode_ipv6': (value, name) => ({
    gatewayModes: { ipv6: gatewayMode(name, value) },
  }),
  'com.docker.network.bridge.trusted_host_interfaces': (value) => ({ trustedInterfaces: value.split(':') }),
};

/** The options of a network of the bridge driver. Throws `invalid` for wrong values, `not-implemented` naming an unknown option. */
export function bridgeOptions(options: Readonly<Record<string, string>>): BridgeOptions {
  const parsed = Object.entries(options).map(([name, value]) => {
    const parse = OPTIONS[name];
    if (parse === undefined) throw notImplemented(`the network option "${name}" is not there yet`);
    return parse(value, name);
  });
  const gatewayModes = Object.assign({}, ...parsed.map((options) => options.gatewayModes));
  return Object.assign({}, ...parsed, Object.keys(gatewayModes).length === 0 ? {} : { gatewayModes });
}

function gatewayMode(name: string, value: string): GatewayMode {
  const known = GATEWAY_MODES.find((mode) => mode === value);
  if (known === undefined) throw unparsable(name, value, `it must be one of ${GATEWAY_MODES.join(', ')}`);
  return known;
}

/** As Go's strconv.ParseBool reads it, in Docker. */
function flag(name: string, value: string): boolean {
  if (['1', 't', 'T', 'true', 'TRUE', 'True'].includes(value)) return true;
  if (['0', 'f', 'F', 'false', 'FALSE', 'False'].includes(value)) return false;
  throw unparsable(name, value, 'it must be true or false');
}

function unparsable(name: string, value: string, rule: string) {
  return invalid(`failed to parse ${name} value: ${value} (${rule})`);
}
