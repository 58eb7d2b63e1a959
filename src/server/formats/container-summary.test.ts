import { expect, it } from 'vitest';
import { statusText } from './container-summary.ts';

const now = Date.parse('2026-01-02T00:00:00Z');
const running = { pid: 1, endpoints: [], ports: [] };
const ended = { exitCode: 3, oomKilled: false, startedAt: '2026-01-01T00:00:00Z' };

it("words a state as docker's lists do", () => {
  expect(statusText({ status: 'created' }, undefined, now)).toBe('Created');
  expect(
    statusText({ status: 'running', startedAt: '2026-01-01T23:57:00Z', ...running }, undefined, now),
  ).toBe('Up 3 minutes');
  expect(
    statusText({ status: 'paused', startedAt: '2026-01-01T23:59:58Z', ...running }, undefined, now),
  ).toBe('Up 2 seconds (Paused)');
  expect(statusText({ status: 'exited', finishedAt: '2026-01-01T22:50:00Z', ...ended }, undefined, now)).toBe(
    'Exited (3) About an hour ago',
  );
});
