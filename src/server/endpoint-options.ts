import { invalid, notImplemented, parseDuration } from '../base/index.ts';
import {
  checkInterfaceName,
  checkInterfaceSysctl,
  type InterfaceOptions,
  type Shape,
} from '../network/index.ts';
import type { Fields } from './fields.ts';

export interface EndpointOptions {
  readonly shape?: Shape;
  readonly interface?: InterfaceOptions;
}

/**
 * DriverOpts of a container's place in a network: Docker's com.docker.network.endpoint.ifname and .sysctls, and berth's own
 * `berth.rate` and `berth.delay`. Throws `not-implemented` naming any other, `invalid` for values that are none or beyond the
 * limits.
 */
export function parseEndpointOptions(options: Fields): EndpointOptions {
  const unknown = options.names().find((name) => ![RATE, DELAY, NAME, SYSCTLS].includes(name));
  if (unknown !== undefined) {
    throw notImplemented(`the option "${unknown}" for a container's place in a network is not there yet`);
  }
  const [rate, delay] = [options.text(RATE), options.text(DELAY)];
  const shape = {
    ...(rate === '' ? {} : { rate: parseRate(rate) }),
    ...(delay === '' ? {} : { delay: parseDelay(delay) }),
  };
  const [name, sysctls] = [options.text(NAME), options.text(SYSCTLS)];
  const ownInterface = {
    ...(name === '' ? {} : { name: parseName(name) }),
    ...(sysctls === '' ? {} : { sysctls: parseSysctls(sysctls) }),
  };
  return {
    ...(Object.keys(shape).length === 0 ? {} : { shape }),
    ...(Object.keys(ownInterface).length === 0 ? {} : { interface: ownInterface }),
  };
}

/** As {@link parseEndpointOptions} reads them; null: none. */
export function showEndpointOptions({
  shape: { rate, delay } = {},
  interface: { name, sysctls } = {},
}: EndpointOptions): Record<string, string> | null {
  const options = {
    ...(rate === undefined ? {} : { [RATE]: `${rate}bit` }),
    ...(delay === undefined ? {} : { [DELAY]: `${delay}ms` }),
    ...(name === undefined ? {} : { [NAME]: name }),
    ...(sysctls === undefined ? {} : { [SYSCTLS]: sysctls.join(',') }),
  };
  return Object.keys(options).length === 0 ? null : options;
}

const NAME = 'com.docker.network.endpoint.ifname';
const SYSCTLS = 'com.docker.network.endpoint.sysctls';

function parseName(name: string): string {
  checkInterfaceName(name);
  if (name === 'lo') throw invalid('the interface name lo is that of loopback');
  return name;
}

function parseSysctls(text: string): string[] {
  const sysctls = text.split(',');
  for (const sysctl of sysctls) checkInterfaceSysctl(sysctl);
  return sysctls;
}

const RATE = 'berth.rate';
const DELAY = 'berth.delay';

const UNITS: Readonly<Record<string, number>> = { bit: 1, kbit: 1e3, mbit: 1e6, gbit: 1e9 };
/** Bits per second. */
const LEAST_RATE = 8_000;
const HIGHEST_RATE = 100e9;
/** Milliseconds. */
const LONGEST_DELAY = 10_000;

/** "10mbit": bits per second, as tc(8) writes them. */
function parseRate(text: string): number {
  const [, number = '', unit = ''] = /^(\d+(?:\.\d+)?)([kmg]?bit)$/.exec(text.toLowerCase()) ?? [];
  const rate = Math.round(Number(number) * (UNITS[unit] ?? Number.NaN));
  if (!(rate >= LEAST_RATE && rate <= HIGHEST_RATE)) {
    throw invalid(`invalid ${RATE} "${text}"`, { hint: 'It is from 8kbit to 100gbit, like 10mbit' });
  }
  return rate;
}

function parseDelay(text: string): number {
  const delay = parseDuration(text) / 1e6;
  if (!(delay > 0 && delay <= LONGEST_DELAY)) {
    throw invalid(`invalid ${DELAY} "${text}"`, { hint: 'It is a duration up to 10s, like 50ms' });
  }
  return delay;
}
