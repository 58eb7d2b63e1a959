import { expect, test } from 'vitest';
import { macvlanOptions } from './macvlan-options.ts';

test('reads the options of the macvlan driver', () => {
  expect(macvlanOptions({ parent: 'eth0' })).toEqual({ parent: 'eth0', mode: 'bridge' });
  expect(macvlanOptions({})).toEqual({ mode: 'bridge' });
  expect(macvlanOptions({ parent: 'eth0', macvlan_mode: 'vepa' })).toEqual({ parent: 'eth0', mode: 'vepa' });
});

test.each([
  [{ parent: 'eth0', macvlan_mode: 'foo' }, "requested macvlan mode 'foo' is not valid"],
  [{ parent: 'eth0', mtu: '1' }, 'the network option "mtu" is not there yet'],
])('refuses %j', (options, reason) => {
  expect(() => macvlanOptions(options)).toThrow(reason);
});
