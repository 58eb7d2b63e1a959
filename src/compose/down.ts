import type { Project } from './model.ts';
import { type Observed, type ObservedContainer, observe, observeContainers } from './observe.ts';
import type { Plan } from './plan.ts';
import { type DownOptions, type DownProject, planDown } from './plan-down.ts';
import {
  planKill,
  planPause,
  planRemoveStopped,
  planRestart,
  planStart,
  planStop,
  planUnpause,
} from './plan-lifecycle.ts';
import { type ComposeRun, executeTitled } from './up.ts';

/** `compose down`: removes the project's containers and networks, and what else is asked for. False: nothing was there. */
export async function takeDown(
  run: ComposeRun,
  project: DownProject,
  options: DownOptions = {},
): Promise<boolean> {
  const images = options.images === undefined ? [] : project.images.map(({ name }) => ({ name }));
  const observed: Observed = await observe(run.client, project.name, images, run.signal);
  const plan = planDown(project, observed, options);
  for (const warning of plan.warnings) run.warn(warning);
  await executeTitled('down', plan, run);
  return plan.steps.length > 0;
}

/** Containers of some of a project's services; of all without names. */
export interface Selected {
  readonly project: string;
  readonly services: readonly string[];
}

/** `compose stop`. */
export function stopServices(
  run: ComposeRun,
  selected: Selected,
  options: { timeout?: number } = {},
): Promise<void> {
  return withContainers(run, 'stop', selected, (containers) => planStop(containers, options));
}

/** `compose kill`. */
export function killServices(run: ComposeRun, selected: Selected): Promise<void> {
  return withContainers(run, 'kill', selected, (containers) => planKill(containers));
}

/** `compose pause`. */
export function pauseServices(run: ComposeRun, selected: Selected): Promise<void> {
  return withContainers(run, 'pause', selected, planPause);
}

/** `compose unpause`. */
export function unpauseServices(run: ComposeRun, selected: Selected): Promise<void> {
  return withContainers(run, 'unpause', selected, planUnpause);
}

/** `compose start`. */
export function startServices(run: ComposeRun, selected: Selected): Promise<void> {
  return withContainers(run, 'start', selected, planStart);
}

/** `compose restart`. */
export function restartServices(
  run: ComposeRun,
  selected: Selected,
  options: { timeout?: number } = {},
): Promise<void> {
  return withContainers(run, 'restart', selected, (containers) => planRestart(containers, options));
}

/** `compose rm`: containers that do not run. */
export function removeStopped(
  run: ComposeRun,
  selected: Selected,
  options: { volumes?: boolean } = {},
): Promise<void> {
  return withContainers(run, 'remove', selected, (containers) => planRemoveStopped(containers, options));
}

/** The containers of services, without one-off ones, in the order of their names. */
export async function containersOf(
  { client, signal }: Pick<ComposeRun, 'client' | 'signal'>,
  { project, services }: Selected,
): Promise<ObservedContainer[]> {
  const containers = await observeContainers(client, project, signal);
  return containers.filter(
    ({ service, oneOff }) => !oneOff && (services.length === 0 || services.includes(service)),
  );
}

async function withContainers(
  run: ComposeRun,
  title: string,
  selected: Selected,
  plan: (containers: readonly ObservedContainer[]) => Plan,
): Promise<void> {
  await executeTitled(title, plan(await containersOf(run, selected)), run);
}

/** Names of a project's services, also of those that its profiles leave out. */
export function serviceNames({ services, disabledServices }: Project): string[] {
  return [...services.map(({ name }) => name), ...disabledServices];
}
