import { expect, test } from 'vitest';
import { healthConfig } from './health.ts';

test('asks for a health check with what was given, and for none where nothing was', () => {
  expect(healthConfig({ healthcheck: true })).toBeUndefined();
  expect(healthConfig({ healthcheck: true, healthCmd: 'exit 0', healthStartInterval: 5e8 })).toEqual({
    Test: ['CMD-SHELL', 'exit 0'],
    StartInterval: 5e8,
  });
});

test("turns the image's health check off, but not together with one", () => {
  expect(healthConfig({ healthcheck: false })).toEqual({ Test: ['NONE'] });
  expect(() => healthConfig({ healthcheck: false, healthRetries: 3 })).toThrow(
    '--no-healthcheck conflicts with --health-* options',
  );
});
