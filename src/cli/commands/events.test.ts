import { expect, test } from 'vitest';
import { formatEvent } from './events.ts';

test('writes an event in a line, its attributes by name', () => {
  const event = {
    Type: 'container',
    Action: 'start',
    Actor: { ID: 'abc', Attributes: { name: 'web', image: 'busybox' } },
    time: 1795569541,
    timeNano: 1795569541421000000,
  };
  expect(formatEvent(event)).toBe(
    '2026-11-25T01:19:01.421000000Z container start abc (image=busybox, name=web)',
  );
  expect(formatEvent({ ...event, Actor: { ID: 'abc', Attributes: {} } })).toMatch(/start abc$/);
});
