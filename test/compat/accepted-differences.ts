import type { Difference } from './compare.ts';

/** Where berth answers otherwise than dockerd on purpose, each with its reason. */
export const acceptedDifferences: readonly Difference[] = [
  {
    where: /^system\/version too (new|old)\/(body|contentType)/,
    reason: 'the range of versions differs, and berth says so as JSON, as it does with every error',
  },
];
