import { expect, test } from 'vitest';
import { parseServerTiming } from '../client/index.ts';
import { timelineText } from './timeline.ts';

test('shows each request with the steps that the engine tells of it', () => {
  const steps = parseServerTiming(
    'network;start=1.00;dur=2.50, oci-runtime;start=3.5;dur=8, odd, ;start=1;dur=2, cold-boot;start=12;dur=0;desc=no%20room%2C%20so',
  );
  const requests = [{ name: 'POST /containers/c/start', start: 20, duration: 12.25, steps }];
  expect(timelineText(requests, { ready: 15.5, end: 40 })).toBe(
    [
      'timeline (ms)',
      '      at     took',
      '     0.0     15.5  the command loads',
      '    20.0     12.3  POST /containers/c/start',
      '    21.0      2.5    network',
      '    23.5      8.0    oci-runtime',
      '    32.0      0.0    cold-boot: no room, so',
      '    40.0      0.0  the command ends',
      '',
    ].join('\n'),
  );
});
