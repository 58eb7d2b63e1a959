import { isIPv4 } from 'node:net';
import { invalid, notImplemented } from '../base/index.ts';
import type { NewBridge } from '../network/index.ts';

type BridgeOptions = Pick<NewBridge, 'mtu' | 'bridge' | 'separated' | 'keepsAddress' | 'publishAt'>;

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
};

/** The options of a network of the bridge driver. Throws `invalid` for wrong values, `not-implemented` naming an unknown option. */
export function bridgeOptions(options: Readonly<Record<string, string>>): BridgeOptions {
  const parsed = Object.entries(options).map(([name, value]) => {
    const parse = OPTIONS[name];
    if (parse === undefined) throw notImplemented(`the network option "${name}" is not there yet`);
    return parse(value, name);
  });
  return Object.assign({}, ...parsed);
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
