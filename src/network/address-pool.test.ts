import { expect, it } from 'vitest';
import { AddressPool, macAddressOf } from './address-pool.ts';
import { contains, formatAddress, formatSubnet, overlaps, parseAddress, parseSubnet } from './ipv4.ts';

const small = { name: 'small', subnet: '10.0.0.0/29', gateway: '10.0.0.1' };

it('gives out each address once, without the first, the last and the gateway', () => {
  const pool = new AddressPool(small);
  const taken = [1, 2, 3, 4, 5].map(() => pool.take('someone'));
  expect(taken).toEqual(['10.0.0.2', '10.0.0.3', '10.0.0.4', '10.0.0.5', '10.0.0.6']);
  expect(() => pool.take('someone')).toThrow('no address is free in network small');
});

it('gives a freed address out again, after the others', () => {
  const pool = new AddressPool(small);
  const first = pool.take('someone');
  pool.release(first);
  expect(pool.take('someone')).toBe('10.0.0.3');
  for (let count = 0; count < 3; count += 1) pool.take('someone');
  expect(pool.take('someone')).toBe(first);
});

it('gives out the address asked for, and says who has it already', () => {
  const pool = new AddressPool(small);
  expect(pool.take('container a', '10.0.0.4')).toBe('10.0.0.4');
  expect(() => pool.take('container b', '10.0.0.4')).toThrow('belongs to container a');
  expect(() => pool.take('container b', '10.0.0.1')).toThrow('belongs to the gateway');
  expect(() => pool.take('container b', '10.0.0.7')).toThrow('no host can have it');
  expect(() => pool.take('container b', '10.0.0.9')).toThrow(
    'not in the subnet of network small, 10.0.0.0/29',
  );
});

it('makes the MAC address from the address', () => {
  expect(macAddressOf('172.17.0.2')).toBe('02:42:ac:11:00:02');
});

it('parses and prints addresses and subnets, and refuses what is none', () => {
  expect(formatAddress(parseAddress('255.254.3.0'))).toBe('255.254.3.0');
  expect(formatSubnet(parseSubnet('10.1.2.0/23'))).toBe('10.1.2.0/23');
  for (const text of ['10.0.0.0', '10.0.0.0/33', '10.0.0.300/8', 'x/8'])
    expect(() => parseSubnet(text)).toThrow();
  expect(() => parseSubnet('10.1.2.3/24')).toThrow('it should be 10.1.2.0/24');
});

it('knows what overlaps', () => {
  const subnet = parseSubnet('10.0.0.0/8');
  expect(overlaps(subnet, parseSubnet('10.9.0.0/16'))).toBe(true);
  expect(overlaps(subnet, parseSubnet('11.0.0.0/8'))).toBe(false);
  expect(contains(subnet, parseAddress('10.255.255.255'))).toBe(true);
});
