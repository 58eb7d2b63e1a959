import type { Project } from './model.ts';
import type { Observed, ObservedContainer } from './observe.ts';
import { type Plan, PlanBuilder } from './plan.ts';

export interface DownOptions {
  /** Only these services' containers; empty: all, and the networks. */
  readonly services?: readonly string[];
  /** `--volumes`: the project's volumes and anonymous ones, too. */
  readonly volumes?: boolean;
  /** `--rmi`: images that have no name of their own choice, or all that services use. */
  readonly images?: 'local' | 'all';
  readonly timeout?: number;
  readonly removeOrphans?: boolean;
}

/** What `down` knows about a project: the file may be gone, then it is all that the labels say. */
export interface DownProject {
  readonly name: string;
  /** Undefined: every container of the project. */
  readonly services: readonly string[] | undefined;
  /** Of the file, without external ones. */
  readonly volumes: readonly string[];
  readonly images: readonly { readonly name: string; readonly local: boolean }[];
}

/** What removes a project: containers, dependents first, then networks, and volumes and images where asked for. */
export function planDown(project: DownProject, observed: Observed, options: DownOptions = {}): Plan {
  const plan = new PlanBuilder();
  const named = options.services ?? [];
  const isMeant = ({ service }: ObservedContainer) =>
    named.length > 0
      ? named.includes(service)
      : options.removeOrphans === true || project.services?.includes(service) !== false;
  const containers = observed.containers.filter(isMeant);
  const removals = new Map<ObservedContainer, string>();
  for (const container of dependentsFirst(containers)) {
    const dependents = [...removals].flatMap(([other, step]) =>
      other.dependsOn.includes(container.service) ? [step] : [],
    );
    const cause = `the project ${project.name} goes down`;
    removals.set(container, planRemoval(plan, container, cause, options, dependents));
  }
  if (named.length > 0) return plan.done();
  const after = [...removals.values()];
  const left = observed.containers.filter((container) => !containers.includes(container));
  for (const { id, name, project: owner } of observed.networks) {
    if (owner !== project.name) continue;
    const user = left.find(({ networks }) => networks.includes(name));
    if (user === undefined) {
      plan.add({ kind: 'remove-network', name, id }, `the project ${project.name} goes down`, after);
    } else {
      plan.warn(`the network ${name} stays: ${user.name} uses it. Remove it, too, with --remove-orphans`);
    }
  }
  if (options.volumes === true) planVolumeRemovals(plan, project, observed, after);
  for (const { name, local } of project.images) {
    if (options.images === undefined || (options.images === 'local' && !local)) continue;
    if (observed.images.has(name))
      plan.add({ kind: 'remove-image', image: name }, 'asked for by --rmi', after);
  }
  return plan.done();
}

function planVolumeRemovals(
  plan: PlanBuilder,
  project: DownProject,
  { volumes }: Observed,
  after: readonly string[],
): void {
  for (const { name, project: owner } of volumes) {
    if (owner === project.name || project.volumes.includes(name)) {
      plan.add({ kind: 'remove-volume', name }, 'asked for by --volumes', after);
    }
  }
}

/** What `down` removes of a project that was loaded. */
export function downProject(project: Project): DownProject {
  return {
    name: project.name,
    services: [...project.services.map(({ name }) => name), ...project.disabledServices],
    volumes: project.volumes.filter(({ external }) => !external).map(({ name }) => name),
    images: project.services.map(({ name, image }) => ({
      name: image ?? `${project.name}-${name}`,
      local: image === undefined,
    })),
  };
}

/** Stops a container where it runs, then removes it; returns the last step's id. */
export function planRemoval(
  plan: PlanBuilder,
  { id, name, state }: ObservedContainer,
  cause: string,
  { timeout, volumes = false }: { timeout?: number; volumes?: boolean },
  after: readonly string[] = [],
): string {
  const stopped = isActive(state)
    ? [plan.add({ kind: 'stop-container', name, id, timeout }, cause, after)]
    : [];
  return plan.add({ kind: 'remove-container', name, id, volumes }, cause, [...after, ...stopped]);
}

/** Whether there is something to stop. */
export function isActive(state: ObservedContainer['state']): boolean {
  return state === 'running' || state === 'restarting' || state === 'paused';
}

/** An order in which nothing is stopped before what depends on it. */
export function dependentsFirst(containers: readonly ObservedContainer[]): ObservedContainer[] {
  const ordered = new Set<ObservedContainer>();
  const visiting = new Set<ObservedContainer>();
  const visit = (container: ObservedContainer) => {
    if (ordered.has(container) || visiting.has(container)) return;
    visiting.add(container);
    for (const other of containers) if (other.dependsOn.includes(container.service)) visit(other);
    ordered.add(container);
  };
  for (const container of containers) visit(container);
  return [...ordered];
}
