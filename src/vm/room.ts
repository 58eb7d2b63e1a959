import { asBerthError } from '../base/index.ts';
import type { ComputerMonitor } from './computer/monitor.ts';
import { isObject } from './computer/qmp-answer.ts';

/** QEMU's word for a guest that stands still because a write of it found no room; it is made again when the guest goes on. */
export const NO_ROOM = 'io-error';

/** What a guest does at present, in QEMU's words (QMP reference, RunState). */
export async function guestStatus(control: Pick<ComputerMonitor, 'execute'>): Promise<string> {
  const status = await control.execute('query-status');
  return isObject(status) ? String(status.status) : 'unknown';
}

/** Lets a guest go on that stood still for want of room on the host's disk, where there may be some by now; false for another one. */
export async function goOnWithRoom(control: Pick<ComputerMonitor, 'execute'>): Promise<boolean> {
  try {
    if ((await guestStatus(control)) !== NO_ROOM) return false;
    await control.execute('cont');
    return true;
  } catch (error) {
    if (asBerthError(error).kind !== 'unavailable') throw error; // it has ended, or is just starting
    return false;
  }
}

/**
 * Whether a guest stands still for want of room on the host's disk: what is now, and then each time that it stops or goes on.
 * Ends with the machine.
 */
export async function* standsStillForRoom(control: ComputerMonitor): AsyncGenerator<boolean> {
  try {
    await using events = await control.events();
    yield (await guestStatus(control)) === NO_ROOM;
    for (;;) {
      await events.find(({ name }) => name === 'STOP' || name === 'RESUME');
      yield (await guestStatus(control)) === NO_ROOM;
    }
  } catch (error) {
    if (asBerthError(error).kind !== 'unavailable') throw error;
  }
}
