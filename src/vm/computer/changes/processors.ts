import { processorDevice, processorId } from '../arguments.ts';
import type { ComputerLayout } from '../contract.ts';
import type { ComputerEvent } from '../events.ts';
import type { ComputerMonitor } from '../monitor.ts';
import { isObject } from '../qmp-answer.ts';
import { hotProcessors, type ProcessorSurvey } from '../survey.ts';
import { changed, needsRestart, type Outcome } from './outcome.ts';
import { eventInTime } from './patience.ts';

/** Gives a guest as many processors as are wanted, or takes the last ones away, one after the other. */
export async function changeProcessors(
  monitor: ComputerMonitor,
  { present, most }: ProcessorSurvey,
  wanted: number,
  {
    accelerator,
    patience,
  }: { readonly accelerator: ComputerLayout['accelerator']; readonly patience: number },
): Promise<{ readonly outcomes: readonly Outcome[]; readonly present: number }> {
  const what = processorsInWords(wanted);
  if (wanted === present.length) return { outcomes: [], present: wanted };
  if (wanted > most) {
    const why = `it was started with places for ${most}`;
    return { outcomes: [needsRestart(what, why)], present: present.length };
  }
  if (wanted < present.length && accelerator === 'tcg') {
    // QEMU 7.2 corrupts its own memory in doing so, and dies of it soon after.
    return {
      outcomes: [needsRestart(what, 'no processor can be taken out of an emulated machine')],
      present: present.length,
    };
  }
  const numbers = [...present];
  while (numbers.length < wanted) {
    const number = firstMissing(numbers);
    await monitor.execute('device_add', processorDevice(accelerator, number));
    numbers.push(number);
  }
  numbers.sort((one, other) => other - one);
  while (numbers.length > wanted) {
    const failure = await remove(monitor, numbers[0] ?? 0, patience);
    if (failure !== undefined) return { outcomes: [needsRestart(what, failure)], present: numbers.length };
    numbers.shift();
  }
  return { outcomes: [changed(what)], present: wanted };
}

function processorsInWords(count: number): string {
  return count === 1 ? '1 processor' : `${count} processors`;
}

function firstMissing(numbers: readonly number[]): number {
  let number = 0;
  while (numbers.includes(number)) number += 1;
  return number;
}

/** Returns why its system does not let it go. The first one cannot go: no guest has none. */
async function remove(
  monitor: ComputerMonitor,
  number: number,
  patience: number,
): Promise<string | undefined> {
  await using events = await monitor.events();
  const id = processorId(number);
  await monitor.execute('device_del', { id });
  for (;;) {
    const event = await eventInTime(events, isAboutRemoval, patience);
    if (await isGone(monitor, number)) return undefined;
    if (event === undefined) return 'its system does not answer to the removal of a processor';
    if (isRefusal(event)) return 'its system keeps its processors';
  }
}

/** No event names the processor itself: of its parts one is deleted, and its system says that it is done. */
function isAboutRemoval({ name }: ComputerEvent): boolean {
  return ['DEVICE_DELETED', 'DEVICE_UNPLUG_GUEST_ERROR', 'ACPI_DEVICE_OST'].includes(name);
}

async function isGone(monitor: ComputerMonitor, number: number): Promise<boolean> {
  return !(await hotProcessors(monitor)).present.includes(number);
}

/** What the system says (_OST, section 6.3.5 of the ACPI specification): 0 for success, 0x84 for "in progress". */
function isRefusal({ name, data: { info } }: ComputerEvent): boolean {
  if (name === 'DEVICE_UNPLUG_GUEST_ERROR') return true;
  return name === 'ACPI_DEVICE_OST' && isObject(info) && info.status !== 0 && info.status !== 0x84;
}
