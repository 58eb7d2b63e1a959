import type { ObservedContainer } from './observe.ts';
import { type Plan, PlanBuilder } from './plan.ts';
import { dependentsFirst, isActive } from './plan-down.ts';

/** Stops the containers that run, dependents first. */
export function planStop(
  containers: readonly ObservedContainer[],
  { timeout, cause = 'asked for' }: { timeout?: number; cause?: string } = {},
): Plan {
  const plan = new PlanBuilder();
  const stops = new Map<ObservedContainer, string>();
  for (const container of dependentsFirst(containers.filter(({ state }) => isActive(state)))) {
    const { id, name } = container;
    const after = [...stops].flatMap(([other, step]) =>
      other.dependsOn.includes(container.service) ? [step] : [],
    );
    stops.set(container, plan.add({ kind: 'stop-container', name, id, timeout }, cause, after));
  }
  return plan.done();
}

/** Kills the containers that run, at once. */
export function planKill(containers: readonly ObservedContainer[], cause = 'asked for'): Plan {
  const plan = new PlanBuilder();
  for (const { id, name, state } of containers) {
    if (isActive(state)) plan.add({ kind: 'kill-container', name, id }, cause);
  }
  return plan.done();
}

/** Has the containers that run stand still. */
export function planPause(containers: readonly ObservedContainer[]): Plan {
  const plan = new PlanBuilder();
  for (const { id, name, state } of containers) {
    if (state === 'running') plan.add({ kind: 'pause-container', name, id }, 'asked for');
  }
  return plan.done();
}

/** Lets the containers that stand still go on. */
export function planUnpause(containers: readonly ObservedContainer[]): Plan {
  const plan = new PlanBuilder();
  for (const { id, name, state } of containers) {
    if (state === 'paused') plan.add({ kind: 'unpause-container', name, id }, 'asked for');
  }
  return plan.done();
}

/** Starts the containers that do not run, dependencies first. */
export function planStart(containers: readonly ObservedContainer[]): Plan {
  const plan = new PlanBuilder();
  for (const { name, state, dependsOn } of dependentsFirst(containers).reverse()) {
    if (isActive(state)) continue;
    const after = containers
      .filter(({ service }) => dependsOn.includes(service))
      .map((dependency) => `start container ${dependency.name}`);
    plan.add({ kind: 'start-container', name }, 'asked for', after);
  }
  return plan.done();
}

/** Restarts the containers, dependencies first. */
export function planRestart(
  containers: readonly ObservedContainer[],
  { timeout }: { timeout?: number } = {},
): Plan {
  const plan = new PlanBuilder();
  for (const { name, dependsOn } of dependentsFirst(containers).reverse()) {
    const after = containers
      .filter(({ service }) => dependsOn.includes(service))
      .map((dependency) => `restart container ${dependency.name}`);
    plan.add({ kind: 'restart-container', name, timeout }, 'asked for', after);
  }
  return plan.done();
}

/** Removes the containers that do not run. */
export function planRemoveStopped(
  containers: readonly ObservedContainer[],
  { volumes = false }: { volumes?: boolean } = {},
): Plan {
  const plan = new PlanBuilder();
  for (const { id, name, state } of containers) {
    if (!isActive(state)) plan.add({ kind: 'remove-container', name, id, volumes }, 'asked for');
  }
  return plan.done();
}
