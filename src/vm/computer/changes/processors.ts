import { processorDevice, processorId } from '../arguments.ts';
import type { ComputerLayout } from '../contract.ts';
import type { ComputerEvent } from '../events.ts';
import type { ComputerMonitor } from '../monitor.ts';
import type { ProcessorSurvey } from '../survey.ts';
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
  index: number,
  patience: number,
): Promise<string | undefined> {
  await using events = await monitor.events();
  const id = processorId(index);
  await monitor.execute('device_del', { id });
  const answer = await eventInTime(events, (event) => isAbout(event, id), patience);
  if (answer?.name === 'DEVICE_DELETED') return undefined;
  return answer === undefined
    ? 'its system does not answer to the removal of a processor'
    : 'its system keeps its processors';
}

function isAbout({ name, data }: ComputerEvent, id: string): boolean {
  return (name === 'DEVICE_DELETED' || name === 'DEVICE_UNPLUG_GUEST_ERROR') && data.device === id;
}
