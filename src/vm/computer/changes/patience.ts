import type { ComputerEvent } from '../events.ts';
import type { ComputerEventStream } from '../monitor.ts';

/**
 * How long a guest may do nothing about what it is asked: one that has no driver for it, or that has not booted yet, never
 * answers. A busy one in emulation needs seconds.
 */
export const GUEST_PATIENCE_MS = 20_000;

/** The next event that matches; undefined when none came in time. */
export async function eventInTime(
  events: ComputerEventStream,
  matches: (event: ComputerEvent) => boolean,
  patience: number,
): Promise<ComputerEvent | undefined> {
  const { promise: late, resolve } = Promise.withResolvers<undefined>();
  const timer = setTimeout(resolve, patience, undefined);
  try {
    return await Promise.race([events.find(matches), late]);
  } finally {
    clearTimeout(timer);
  }
}
