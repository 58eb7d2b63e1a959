import { setTimeout as wait } from 'node:timers/promises';
import type { ComputerMonitor } from './monitor.ts';
import { isObject } from './qmp-answer.ts';
import { numberIn, objectIn } from './qmp-fields.ts';

/** What a guest's kernel says of its memory, in bytes. Undefined is what this kernel does not say. */
export interface GuestMemory {
  readonly total: number;
  /** Used for nothing. */
  readonly free: number;
  /** That programs could get without swapping. */
  readonly available: number | undefined;
  /** Of files, which are given up when programs want them. */
  readonly caches: number | undefined;
}

type Monitor = Pick<ComputerMonitor, 'execute'>;

const BALLOON = '/machine/peripheral/balloon';

/** Seconds between two times that a guest is asked, which wakes it each time. */
const INTERVAL = 1;

/** Seconds after which what a guest told says nothing of now: it hangs, or told it before it was asked. */
const OLD = 10;

/** A guest that has the driver answers within milliseconds of the interval's end, on a busy host within seconds. */
const PATIENCE_MS = 4000;
const LOOK_MS = 50;

/** Guests are asked what they use as long as somebody reads it. */
export class GuestMemoryReaders {
  readonly #readers = new Map<string, number>();

  /** Another reader of this computer, who calls {@link leave} at the end. */
  enter(id: string): void {
    this.#readers.set(id, (this.#readers.get(id) ?? 0) + 1);
  }

  /** Undefined for a guest without a driver for the balloon, or that does not answer. `now`: the host's time in seconds. */
  async read(monitor: Monitor, now = Date.now() / 1000): Promise<GuestMemory | undefined> {
    const told = await statistics(monitor);
    if (told.at === 0) return undefined; // a driver tells once when it begins
    const isAsked = (await property(monitor, 'guest-stats-polling-interval')) !== 0;
    if (isAsked) return now - told.at > OLD ? undefined : told.memory;
    await setInterval(monitor, INTERVAL);
    const deadline = performance.now() + PATIENCE_MS;
    for (;;) {
      const later = await statistics(monitor);
      if (later.at !== told.at) return later.memory;
      if (performance.now() > deadline) return undefined;
      await wait(LOOK_MS); // QEMU has no event for it
    }
  }

  /** The last one to leave lets the guest sleep. */
  async leave(id: string, monitor: Monitor): Promise<void> {
    const left = (this.#readers.get(id) ?? 1) - 1;
    if (left > 0) {
      this.#readers.set(id, left);
      return;
    }
    this.#readers.delete(id);
    await setInterval(monitor, 0).catch(() => {}); // it has ended
  }
}

/** `at`: when the guest told it, in seconds; 0: never. */
async function statistics(monitor: Monitor): Promise<{ at: number; memory: GuestMemory | undefined }> {
  const answer = objectIn(await property(monitor, 'guest-stats'));
  return {
    at: numberIn(answer['last-update']),
    memory: isObject(answer.stats) ? memoryIn(answer.stats) : undefined,
  };
}

function memoryIn(stats: Readonly<Record<string, unknown>>): GuestMemory | undefined {
  const [total, free] = [bytesIn(stats['stat-total-memory']), bytesIn(stats['stat-free-memory'])];
  if (total === undefined || free === undefined) return undefined;
  const available = bytesIn(stats['stat-available-memory']);
  return { total, free, available, caches: bytesIn(stats['stat-disk-caches']) };
}

/** QEMU has the largest number of 64 bits for what it is not told. */
function bytesIn(value: unknown): number | undefined {
  return typeof value === 'number' && value >= 0 && value < 2 ** 63 ? value : undefined;
}

function property(monitor: Monitor, name: string): Promise<unknown> {
  return monitor.execute('qom-get', { path: BALLOON, property: name });
}

async function setInterval(monitor: Monitor, seconds: number): Promise<void> {
  const wanted = { path: BALLOON, property: 'guest-stats-polling-interval', value: seconds };
  await monitor.execute('qom-set', wanted);
}
