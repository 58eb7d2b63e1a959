import { expect, it } from 'vitest';
import { formatDuration, parseDuration } from './duration.ts';

it('writes durations as Go does, and reads them back', () => {
  for (const text of ['0s', '12ns', '1.5µs', '300ms', '1s', '1.5s', '1m0s', '1m30s', '2h0m5s']) {
    expect(formatDuration(parseDuration(text))).toBe(text);
  }
});
