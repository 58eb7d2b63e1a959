import { expect, test } from 'vitest';
import { changeMemory } from './balloon.ts';
import type { ComputerEvent } from './computer/events.ts';
import type { ComputerMonitor } from './computer/monitor.ts';

const MIB = 1024 ** 2;

/** A guest that gives back to `least`, and says so in two events; asked for less it says nothing more. */
function guest(had: number, least: number): ComputerMonitor {
  let actual = had;
  let tell = (_event: ComputerEvent): void => {};
  return {
    async execute(command, args = {}) {
      if (command === 'query-balloon') return { actual };
      const wanted = Number(args.value);
      queueMicrotask(() => {
        for (const next of [Math.trunc((actual + wanted) / 2), wanted]) {
          if (next < least) return;
          actual = next;
          tell({ name: 'BALLOON_CHANGE', data: { actual } });
        }
      });
      return {};
    },
    async events(signal) {
      return {
        find: (matches) =>
          new Promise((resolve, reject) => {
            tell = (event) => matches(event) && resolve(event);
            signal?.addEventListener('abort', () => reject(new Error('cancelled')));
          }),
        async [Symbol.asyncDispose]() {},
      };
    },
  };
}

test('waits until the guest has given back all that it was asked for', async () => {
  const signal = new AbortController().signal;
  expect(await changeMemory(guest(512 * MIB, 64 * MIB), 256 * MIB, signal)).toBe(256 * MIB);
});

test('asks nothing more of a guest that has as much already', async () => {
  expect(await changeMemory(guest(512 * MIB, 64 * MIB), 512 * MIB, new AbortController().signal)).toBe(
    512 * MIB,
  );
});

test('tells how far a guest has come when nobody waits any more', async () => {
  const stop = new AbortController();
  const changed = changeMemory(guest(512 * MIB, 300 * MIB), 128 * MIB, stop.signal);
  setImmediate(() => stop.abort());
  expect(await changed).toBe(320 * MIB);
});
