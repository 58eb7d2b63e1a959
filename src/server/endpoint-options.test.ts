import { expect, test } from 'vitest';
import { parseEndpointOptions } from './endpoint-options.ts';
import { Fields } from './fields.ts';

test.each([
  [{}, {}],
  [{ 'berth.rate': '10mbit' }, { shape: { rate: 10_000_000 } }],
  [{ 'berth.rate': '1.5Gbit', 'berth.delay': '50ms' }, { shape: { rate: 1_500_000_000, delay: 50 } }],
  [{ 'berth.delay': '1s' }, { shape: { delay: 1000 } }],
  [
    {
      'com.docker.network.endpoint.ifname': 'wan0',
      'com.docker.network.endpoint.sysctls':
        'net.ipv4.conf.IFNAME.log_martians=1,net.ipv6.conf.IFNAME.mtu=1400',
    },
    {
      interface: {
        name: 'wan0',
        sysctls: ['net.ipv4.conf.IFNAME.log_martians=1', 'net.ipv6.conf.IFNAME.mtu=1400'],
      },
    },
  ],
])('reads %j', (options, shape) => {
  expect(parseEndpointOptions(new Fields(options))).toEqual(shape);
});

test.each([
  [{ 'berth.rate': '10' }, 'invalid berth.rate "10"'],
  [{ 'berth.rate': '1kbit' }, 'invalid berth.rate "1kbit"'],
  [{ 'berth.rate': '1000gbit' }, 'invalid berth.rate'],
  [{ 'berth.delay': '0' }, 'invalid berth.delay "0"'],
  [{ 'berth.delay': '11s' }, 'invalid berth.delay'],
  [{ 'com.docker.network.endpoint.sysctls': 'x' }, "unrecognised network interface sysctl 'x'"],
  [
    { 'com.docker.network.endpoint.sysctls': 'net.ipv4.conf.eth0.mtu=1' },
    'unrecognised network interface sysctl',
  ],
  [{ 'com.docker.network.endpoint.ifname': 'a/b' }, 'invalid interface name: "a/b"'],
  [{ 'com.docker.network.endpoint.ifname': 'lo' }, 'the interface name lo is that of loopback'],
  [{ 'com.docker.network.endpoint.speed': '1' }, 'the option "com.docker.network.endpoint.speed"'],
])('refuses %j', (options, reason) => {
  expect(() => parseEndpointOptions(new Fields(options))).toThrow(reason);
});
