import { expect, test } from 'vitest';
import { bridgeOptions } from './bridge-options.ts';

const BRIDGE = 'com.docker.network.bridge';

test('reads the options of the bridge driver', () => {
  const options = {
    'com.docker.network.driver.mtu': '1400',
    [`${BRIDGE}.name`]: 'br9',
    [`${BRIDGE}.enable_icc`]: 'false',
    [`${BRIDGE}.enable_ip_masquerade`]: 'True',
    [`${BRIDGE}.host_binding_ipv4`]: '127.0.0.1',
    'com.docker.network.container_iface_prefix': 'lan',
    [`${BRIDGE}.gateway_mode_ipv4`]: 'routed',
    [`${BRIDGE}.gateway_mode_ipv6`]: 'nat-unprotected',
    [`${BRIDGE}.inhibit_ipv4`]: '1',
    [`${BRIDGE}.trusted_host_interfaces`]: 'eth0:vpn0',
  };
  expect(bridgeOptions(options)).toEqual({
    mtu: 1400,
    bridge: 'br9',
    separated: true,
    keepsAddress: false,
    publishAt: '127.0.0.1',
    interfacePrefix: 'lan',
    gatewayModes: { ipv4: 'routed', ipv6: 'nat-unprotected' },
    withoutHostAddress: true,
    trustedInterfaces: ['eth0', 'vpn0'],
  });
});

test.each([
  ['com.docker.network.driver.mtu', 'big', 'it must be a number'],
  [`${BRIDGE}.enable_icc`, 'maybe', 'it must be true or false'],
  [`${BRIDGE}.gateway_mode_ipv4`, 'foo', 'it must be one of nat, routed, nat-unprotected, isolated'],
  [`${BRIDGE}.host_binding_ipv4`, '::1', 'it must be an IPv4 address'],
])('refuses %s with the value %s', (name, value, rule) => {
  expect(() => bridgeOptions({ [name]: value })).toThrow(`failed to parse ${name} value: ${value} (${rule})`);
});

test('refuses by name an option that is not there yet', () => {
  expect(() => bridgeOptions({ foo: '1' })).toThrow('the network option "foo" is not there yet');
});
