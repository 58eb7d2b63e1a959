import { describe, expect, test } from 'vitest';
import { GuestMemoryReaders } from './guest-memory.ts';

const MIB = 1024 ** 2;
const UNKNOWN = Number('18446744073709551615');

/** A QEMU whose guest tells what it uses when it is asked, and says so of a time of its own. */
function balloon({ hasDriver }: { readonly hasDriver: boolean }) {
  const intervals: unknown[] = [];
  let at = hasDriver ? 7 : 0;
  const monitor = {
    async execute(command: string, args: Readonly<Record<string, unknown>> = {}) {
      if (command === 'qom-set') {
        intervals.push(args.value);
        if (args.value !== 0) at += 1;
        return {};
      }
      if (args.property === 'guest-stats-polling-interval') return intervals.at(-1) ?? 0;
      const stats = {
        'stat-total-memory': 200 * MIB,
        'stat-free-memory': (at === 7 ? 10 : 90) * MIB,
        'stat-available-memory': 120 * MIB,
        'stat-disk-caches': UNKNOWN,
      };
      return { 'last-update': at, stats };
    },
  };
  return { monitor, intervals };
}

describe('the memory that a guest uses', () => {
  test('is what it tells now, not what it told at its boot', async () => {
    const { monitor } = balloon({ hasDriver: true });
    expect(await new GuestMemoryReaders().read(monitor)).toEqual({
      total: 200 * MIB,
      free: 90 * MIB,
      available: 120 * MIB,
      caches: undefined,
    });
  });

  test('is asked for as long as somebody reads it', async () => {
    const { monitor, intervals } = balloon({ hasDriver: true });
    const readers = new GuestMemoryReaders();
    readers.enter('one');
    readers.enter('one');
    await readers.read(monitor);
    expect(await readers.read(monitor, 9)).toMatchObject({ free: 90 * MIB });
    await readers.leave('one', monitor);
    expect(intervals).toEqual([1]);
    await readers.leave('one', monitor);
    expect(intervals).toEqual([1, 0]);
  });

  test('is not known of a guest that has told nothing for long', async () => {
    const { monitor } = balloon({ hasDriver: true });
    const readers = new GuestMemoryReaders();
    await readers.read(monitor);
    expect(await readers.read(monitor, 60)).toBeUndefined();
  });

  test('is not known where the guest has no driver, which nobody waits for', async () => {
    const { monitor, intervals } = balloon({ hasDriver: false });
    expect(await new GuestMemoryReaders().read(monitor)).toBeUndefined();
    expect(intervals).toEqual([]);
  });
});
