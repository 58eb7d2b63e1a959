import type { ComputerChanges, ComputerLayout, WantedComputer } from '../contract.ts';
import type { ComputerMonitor } from '../monitor.ts';
import { surveyComputer, surveyMemory, surveyProcessors } from '../survey.ts';
import { changeDisks, requireDiskSizes, surveyDiskSizes } from './disks.ts';
import { changeMemory } from './memory.ts';
import { needsRestart, type Outcome, sorted } from './outcome.ts';
import { GUEST_PATIENCE_MS } from './patience.ts';
import { changeProcessors } from './processors.ts';

/** See `Computers.change`. `patience`: milliseconds that the guest may do nothing about it. */
export async function changeComputer(
  wanted: WantedComputer,
  monitor: ComputerMonitor,
  patience = GUEST_PATIENCE_MS,
): Promise<ComputerChanges> {
  const layout = await surveyComputer(monitor);
  const sizes = await surveyDiskSizes(monitor, layout);
  requireDiskSizes(sizes, wanted.disks);
  const { allotment } = wanted.hardware;
  const processors = await changeProcessors(
    monitor,
    await surveyProcessors(monitor, layout.model),
    allotment.processors,
    { accelerator: layout.accelerator, patience },
  );
  const memory = await changeMemory(monitor, await surveyMemory(monitor), allotment.memory, patience);
  const disks = await changeDisks(monitor, layout, sizes, wanted.disks, patience);
  const outcomes = [...processors.outcomes, ...memory.outcomes, ...disks, ...others(layout, wanted)];
  return { ...sorted(outcomes), allotment: { processors: processors.present, memory: memory.present } };
}

/** What no computer changes while it runs. */
function others(layout: ComputerLayout, { hardware, cards }: WantedComputer): Outcome[] {
  const outcomes: Outcome[] = [];
  const { model, firmware } = hardware;
  if (model !== layout.model) outcomes.push(needsRestart(`the type ${model}`, 'it is what the machine is'));
  if (firmware !== layout.firmware) {
    outcomes.push(needsRestart(`the firmware ${firmware}`, 'it is what the machine boots by'));
  }
  const present = new Set(layout.cards.map(({ name }) => name));
  const now = new Set(cards.map(({ macAddress }) => macAddress));
  if (now.size !== present.size || [...now].some((name) => !present.has(name))) {
    const what = now.size === 1 ? '1 network card' : `${now.size} network cards`;
    outcomes.push(needsRestart(what, 'a card is joined to its network when the machine starts'));
  }
  return outcomes;
}
