import { invalid, notImplemented, parseDuration } from '../base/index.ts';
import type { Shape } from '../network/index.ts';
import type { Fields } from './fields.ts';

/**
 * DriverOpts of a container's place in a network: berth's own `berth.rate` and `berth.delay`. Throws `not-implemented` naming
 * any other, `invalid` for values that are none or beyond the limits.
 */
export function parseEndpointOptions(options: Fields): Shape | undefined {
  const unknown = options.names().find((name) => name !== RATE && name !== DELAY);
  if (unknown !== undefined) {
    throw notImplemented(`the option "${unknown}" for a container's place in a network is not there yet`);
  }
  const [rate, delay] = [options.text(RATE), options.text(DELAY)];
  if (rate === '' && delay === '') return undefined;
  return {
    ...(rate === '' ? {} : { rate: parseRate(rate) }),
    ...(delay === '' ? {} : { delay: parseDelay(delay) }),
  };
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
