import { errorMessage } from '../../base/index.ts';
import { GuestAgent, hasGuestAgent } from '../../vm/index.ts';
import { computerControl } from '../containers/computer/control.ts';
import type { ContainerRecord } from '../containers/container.ts';
import type { ContainerContext } from '../containers/context.ts';

/** More than an agent needs that runs and has nothing else to do, on a busy host, too. */
const TIMEOUT_MS = 30_000;

/**
 * Tells the system of a machine what time it is, after it stood still: its clock did so, too. Returns what its user should know
 * where that did not work; a system without QEMU's guest agent sees to its clock by itself, if it does.
 */
export async function setGuestClock(context: ContainerContext, record: ContainerRecord): Promise<string[]> {
  const control = computerControl(context, record);
  try {
    if (!(await hasGuestAgent(control))) return [];
    await new GuestAgent(control).setTime(new Date(), AbortSignal.timeout(TIMEOUT_MS));
    return [];
  } catch (error) {
    const reason = errorMessage(error);
    context.parts.log.warn({ id: record.id, error: reason }, "a machine's clock could not be set");
    return [`the clock of its system could not be set, and is that of then: ${reason}`];
  }
}
