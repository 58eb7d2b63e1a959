import { expect, test } from 'vitest';
import { Timeline } from './timeline.ts';

test('keeps the steps in the order in which they began, and those that failed', async () => {
  const timeline = new Timeline();
  const inner = Promise.withResolvers<void>();
  const long = timeline.step('long', () => inner.promise);
  expect(await timeline.step('short', () => 7)).toBe(7);
  await expect(timeline.step('failed', () => Promise.reject(new Error('no')))).rejects.toThrow('no');
  inner.resolve();
  await long;
  expect(timeline.steps.map(({ name }) => name)).toEqual(['long', 'short', 'failed']);
  for (const { start, duration } of timeline.steps)
    expect(Math.min(start, duration)).toBeGreaterThanOrEqual(0);
});
