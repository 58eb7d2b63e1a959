import { expect, it, test } from 'vitest';
import { contains, formatAddress, formatSubnet, overlaps, parseAddress, parseSubnet } from './ip.ts';

it('parses and prints addresses and subnets, and refuses what is none', () => {
  expect(formatAddress(parseAddress('255.254.3.0'))).toBe('255.254.3.0');
  expect(formatSubnet(parseSubnet('10.1.2.0/23'))).toBe('10.1.2.0/23');
  for (const text of [
    '10.0.0.0',
    '10.0.0.0/33',
    '10.0.0.300/8',
    'x/8',
    'fd00::',
    'fd00::/129',
    'fd00::%eth0/64',
  ])
    expect(() => parseSubnet(text)).toThrow();
  expect(() => parseSubnet('10.1.2.3/24')).toThrow('it should be 10.1.2.0/24');
  expect(() => parseSubnet('fd00::1/64')).toThrow('it should be fd00::/64');
});

test.each([
  ['::', '::'],
  ['::1', '::1'],
  ['FD00:0:0:0::A', 'fd00::a'],
  ['2001:db8:0:1:0:0:0:1', '2001:db8:0:1::1'],
  ['1:2:3:4:5:6:7:8', '1:2:3:4:5:6:7:8'],
  ['::ffff:10.0.0.1', '::ffff:a00:1'],
])('%s is %s in its shortest form', (text, shortest) => {
  expect(formatAddress(parseAddress(text))).toBe(shortest);
});

it('knows what overlaps', () => {
  const subnet = parseSubnet('10.0.0.0/8');
  expect(overlaps(subnet, parseSubnet('10.9.0.0/16'))).toBe(true);
  expect(overlaps(subnet, parseSubnet('11.0.0.0/8'))).toBe(false);
  expect(overlaps(subnet, parseSubnet('::/0'))).toBe(false);
  expect(contains(subnet, parseAddress('10.255.255.255'))).toBe(true);
  expect(contains(parseSubnet('fd00::/8'), parseAddress('fdff::1'))).toBe(true);
});
