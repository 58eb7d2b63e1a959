import { formatBinarySize } from '../../../base/index.ts';
import { MEMORY_DEVICE } from '../arguments.ts';
import type { ComputerEvent } from '../events.ts';
import type { ComputerMonitor } from '../monitor.ts';
import { type MemorySurvey, surveyMemory } from '../survey.ts';
import { changed, needsRestart, type Outcome } from './outcome.ts';
import { eventInTime } from './patience.ts';

/**
 * What is wanted beyond the memory that a guest was started with comes by virtio-mem, which can take it back. Below that, the
 * guest gives memory back by the balloon.
 */
export async function changeMemory(
  monitor: ComputerMonitor,
  survey: MemorySurvey,
  wanted: number,
  patience: number,
): Promise<{ readonly outcomes: readonly Outcome[]; readonly present: number }> {
  const what = `${formatBinarySize(wanted)} of memory`;
  const present = presentMemory(survey);
  if (wanted === present) return { outcomes: [], present };
  const goal = goalOf(survey, wanted);
  if (goal === undefined) {
    const why = `it was started with room for ${formatBinarySize(survey.start + (survey.more?.most ?? 0))}`;
    return { outcomes: [needsRestart(what, why)], present };
  }
  await using events = await monitor.events();
  await request(monitor, survey, goal);
  const reached = await settle(monitor, events, goal, patience);
  if (isReached(reached, goal)) return { outcomes: [changed(what)], present: wanted };
  // What it did not do now, it is not to do at a time when nobody reckons with it.
  await request(monitor, reached, { left: reached.left, more: reached.more?.present ?? 0 });
  const now = presentMemory(reached);
  return {
    outcomes: [needsRestart(what, `its system has got only as far as ${formatBinarySize(now)}`)],
    present: now,
  };
}

function presentMemory({ left, more }: MemorySurvey): number {
  return left + (more?.present ?? 0);
}

interface Goal {
  /** Of the memory that there was at the start. */
  readonly left: number;
  readonly more: number;
}

/** Undefined: there is no room. */
function goalOf({ start, more }: MemorySurvey, wanted: number): Goal | undefined {
  if (wanted <= start) return { left: wanted, more: 0 };
  if (more === undefined) return undefined;
  const beyond = Math.ceil((wanted - start) / more.block) * more.block;
  return beyond > more.most ? undefined : { left: start, more: beyond };
}

async function request(monitor: ComputerMonitor, { more }: MemorySurvey, goal: Goal): Promise<void> {
  await monitor.execute('balloon', { value: goal.left });
  if (more === undefined) return;
  const device = `/machine/peripheral/${MEMORY_DEVICE}`;
  await monitor.execute('qom-set', { path: device, property: 'requested-size', value: goal.more });
}

/** Waits as long as the guest gets on with it. */
async function settle(
  monitor: ComputerMonitor,
  events: Awaited<ReturnType<ComputerMonitor['events']>>,
  goal: Goal,
  patience: number,
): Promise<MemorySurvey> {
  for (;;) {
    const survey = await surveyMemory(monitor);
    if (isReached(survey, goal)) return survey;
    if ((await eventInTime(events, isProgress, patience)) === undefined) return surveyMemory(monitor);
  }
}

function isReached({ left, more }: MemorySurvey, goal: Goal): boolean {
  return left === goal.left && (more?.present ?? 0) === goal.more;
}

function isProgress({ name }: ComputerEvent): boolean {
  return name === 'BALLOON_CHANGE' || name === 'MEMORY_DEVICE_SIZE_CHANGE';
}
