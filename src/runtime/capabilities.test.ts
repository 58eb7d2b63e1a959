import { expect, test } from 'vitest';
import {
  ALL_CAPABILITIES,
  capabilityNames,
  containerCapabilities,
  DEFAULT_CAPABILITIES,
} from './capabilities.ts';

const wish = { add: [], drop: [], privileged: false };

test('nothing said gives Docker’s 14 capabilities', () => {
  expect(containerCapabilities(wish, ALL_CAPABILITIES)).toEqual(DEFAULT_CAPABILITIES);
  expect(DEFAULT_CAPABILITIES).toHaveLength(14);
});

test('names may be short and in lower case, and ALL is all', () => {
  const added = containerCapabilities({ ...wish, add: ['net_admin'], drop: ['CAP_CHOWN'] }, ALL_CAPABILITIES);
  expect(added).toContain('CAP_NET_ADMIN');
  expect(added).not.toContain('CAP_CHOWN');
  expect(containerCapabilities({ ...wish, add: ['all'], drop: ['KILL'] }, ALL_CAPABILITIES)).toHaveLength(40);
  expect(containerCapabilities({ ...wish, add: ['KILL'], drop: ['ALL'] }, ALL_CAPABILITIES)).toEqual([
    'CAP_KILL',
  ]);
  expect(containerCapabilities({ ...wish, drop: ['ALL'] }, ALL_CAPABILITIES)).toEqual([]);
});

test('privileged containers get what the host has, and no more', () => {
  expect(containerCapabilities({ ...wish, privileged: true }, ['CAP_KILL'])).toEqual(['CAP_KILL']);
});

test('unknown and unavailable capabilities are refused', () => {
  expect(() => containerCapabilities({ ...wish, add: ['FLY'] }, ALL_CAPABILITIES)).toThrow(
    'unknown capability: "CAP_FLY"',
  );
  expect(() => containerCapabilities({ ...wish, add: ['SYS_TIME'] }, DEFAULT_CAPABILITIES)).toThrow(
    'capability not supported by your kernel or not available in the current environment: "CAP_SYS_TIME"',
  );
});

test('a mask of /proc is read bit by bit', () => {
  expect(capabilityNames('000001ffffffffff')).toEqual(ALL_CAPABILITIES);
  expect(capabilityNames('0000000000000021')).toEqual(['CAP_CHOWN', 'CAP_KILL']);
});
