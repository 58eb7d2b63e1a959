import { describe, expect, it } from 'vitest';
import { type Health, healthAfter } from './health.ts';
import { mergeHealthcheck, probePlan } from './healthcheck.ts';

const STARTED = Date.parse('2026-01-01T00:00:00Z');
const starting: Health = { status: 'starting', failingStreak: 0, log: [] };

/** The health after probes that ended with these codes, one each second. */
function afterProbes(codes: readonly number[], plan: { retries: number; startPeriod: number }): Health {
  return codes.reduce((health, exitCode, index) => {
    const start = new Date(STARTED + (index + 1) * 1000);
    return healthAfter(health, { start, end: start, exitCode, output: '' }, plan, STARTED);
  }, starting);
}

describe('a container', () => {
  const plan = { retries: 2, startPeriod: 0 };

  it('is healthy after one success, whatever was before', () => {
    expect(afterProbes([1, 1, 1, 0], plan)).toMatchObject({ status: 'healthy', failingStreak: 0 });
  });

  it('is unhealthy after as many failures in a row as retries', () => {
    expect(afterProbes([1], plan).status).toBe('starting');
    expect(afterProbes([0, 1, 0, 1], plan)).toMatchObject({ status: 'healthy', failingStreak: 1 });
    expect(afterProbes([0, 1, -1], plan)).toMatchObject({ status: 'unhealthy', failingStreak: 2 });
  });

  it('is spared failures in the start period, until a first success', () => {
    const lenient = { retries: 1, startPeriod: 3500 };
    expect(afterProbes([1, 1, 1], lenient)).toMatchObject({ status: 'starting', failingStreak: 0 });
    expect(afterProbes([1, 1, 1, 1], lenient).status).toBe('unhealthy');
    expect(afterProbes([0, 1], lenient).status).toBe('unhealthy');
  });

  it('keeps its last five results', () => {
    expect(afterProbes([1, 2, 3, 4, 5, 6], plan).log.map(({ exitCode }) => exitCode)).toEqual([
      2, 3, 4, 5, 6,
    ]);
  });
});

describe('a health check', () => {
  const image = { Test: ['CMD', 'a'], Interval: 7e9, Retries: 4 };
  const own = { test: [], interval: 0, timeout: 2e9, startPeriod: 0, startInterval: 0, retries: 5 };

  it("has the image's values where the request leaves them open", () => {
    expect(mergeHealthcheck(undefined, image)).toMatchObject({
      test: ['CMD', 'a'],
      interval: 7e9,
      retries: 4,
    });
    expect(mergeHealthcheck(own, image)).toMatchObject({
      test: ['CMD', 'a'],
      interval: 7e9,
      timeout: 2e9,
      retries: 5,
    });
    expect(mergeHealthcheck(undefined, undefined)).toBeUndefined();
  });

  it("runs in the image's shell, with Docker's defaults", () => {
    const healthcheck = { ...own, test: ['CMD-SHELL', 'exit 0'], timeout: 0, retries: 0 };
    const defaults = { interval: 30_000, timeout: 30_000, startPeriod: 0, startInterval: 5000, retries: 3 };
    expect(probePlan({ healthcheck, shell: undefined })).toEqual({
      probe: { kind: 'command', args: ['/bin/sh', '-c', 'exit 0'] },
      ...defaults,
    });
    expect(probePlan({ healthcheck, shell: ['bash', '-ec'] })?.probe).toEqual({
      kind: 'command',
      args: ['bash', '-ec', 'exit 0'],
    });
  });

  it('is none where the test says so, and where it says nothing that is known', () => {
    for (const test of [[], ['NONE'], ['curl', 'localhost']]) {
      expect(probePlan({ healthcheck: { ...own, test }, shell: undefined })).toBeUndefined();
    }
  });

  it('never has a timer that is too long for Node', () => {
    const healthcheck = { ...own, test: ['CMD', 'a'], interval: 1e18 };
    expect(probePlan({ healthcheck, shell: undefined })?.interval).toBe(2 ** 31 - 1);
  });
});
