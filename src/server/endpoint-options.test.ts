import { expect, test } from 'vitest';
import { parseEndpointOptions } from './endpoint-options.ts';
import { Fields } from './fields.ts';

test.each([
  [{}, undefined],
  [{ 'berth.rate': '10mbit' }, { rate: 10_000_000 }],
  [
    { 'berth.rate': '1.5Gbit', 'berth.delay': '50ms' },
    { rate: 1_500_000_000, delay: 50 },
  ],
  [{ 'berth.delay': '1s' }, { delay: 1000 }],
])('reads %j', (options, shape) => {
  expect(parseEndpointOptions(new Fields(options))).toEqual(shape);
});

test.each([
  [{ 'berth.rate': '10' }, 'invalid berth.rate "10"'],
  [{ 'berth.rate': '1kbit' }, 'invalid berth.rate "1kbit"'],
  [{ 'berth.rate': '1000gbit' }, 'invalid berth.rate'],
  [{ 'berth.delay': '0' }, 'invalid berth.delay "0"'],
  [{ 'berth.delay': '11s' }, 'invalid berth.delay'],
  [{ 'com.docker.network.endpoint.sysctls': 'x' }, 'the option "com.docker.network.endpoint.sysctls"'],
])('refuses %j', (options, reason) => {
  expect(() => parseEndpointOptions(new Fields(options))).toThrow(reason);
});
