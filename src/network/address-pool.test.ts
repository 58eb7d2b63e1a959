import { expect, it } from 'vitest';
import { AddressPool, macAddressOf } from './address-pool.ts';

const small = { subnet: '10.0.0.0/29', gateway: '10.0.0.1' };

it('gives out each address once, without the first, the last and the gateway', () => {
  const pool = new AddressPool('small', small);
  const taken = [1, 2, 3, 4, 5].map(() => pool.take('someone'));
  expect(taken).toEqual(['10.0.0.2', '10.0.0.3', '10.0.0.4', '10.0.0.5', '10.0.0.6']);
  expect(() => pool.take('someone')).toThrow('no address is free in network small');
});

it('gives a freed address out again, after the others', () => {
  const pool = new AddressPool('small', small);
  const first = pool.take('someone');
  pool.release(first);
  expect(pool.take('someone')).toBe('10.0.0.3');
  for (let count = 0; count < 3; count += 1) pool.take('someone');
  expect(pool.take('someone')).toBe(first);
});

it('gives out the address asked for, and says who has it already', () => {
  const pool = new AddressPool('small', small);
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

it('gives out addresses of IPv6, of a part of the subnet too', () => {
  const pool = new AddressPool('six', { subnet: 'fd00::/64', gateway: 'fd00::1' });
  expect([pool.take('a'), pool.take('b'), pool.take('c', 'fd00::ffff')]).toEqual([
    'fd00::2',
    'fd00::3',
    'fd00::ffff',
  ]);
  expect(() => pool.take('d', 'fd00::0:3')).toThrow('belongs to b');
  const part = new AddressPool('part', { subnet: 'fd00::/64', gateway: 'fd00::1', ipRange: 'fd00::10/127' });
  expect([part.take('a'), part.take('b')]).toEqual(['fd00::10', 'fd00::11']);
  expect(() => part.take('c')).toThrow('all 2 are taken');
});
