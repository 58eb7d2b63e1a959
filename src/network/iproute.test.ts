import { expect, test } from 'vitest';
import { ipFailure, isLinkGone } from './iproute.ts';

test.each([
  ['Cannot find device "v0"', true],
  ['RTNETLINK answers: No such device\nCommand failed -:1', true],
  ['RTNETLINK answers: File exists', false],
])('%j: whether the interface is gone: %s', (stderr, gone) => {
  expect(isLinkGone(ipFailure(stderr))).toBe(gone);
});
