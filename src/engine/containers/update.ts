import { readFile } from 'node:fs/promises';
import { BerthError, conflict, crashPoint, errorMessage, writeFileAtomic } from '../../base/index.ts';
import {
  changeResources,
  type OciSpec,
  ociResources,
  requirePossible,
  requireRuntime,
} from '../../runtime/index.ts';
import { requireHealthcheck } from './check.ts';
import {
  type ContainerRecord,
  type HostOptions,
  isActive,
  isAlive,
  isMachine,
  type ResourceLimits,
  type RestartPolicy,
} from './container.ts';
import { type ContainerContext, containerDirectory, emit, runtimeRoot } from './context.ts';
import { changePorts, type PortChange } from './publish.ts';
import { restartPlan } from './restart.ts';
import { changeMachine } from './vm/update.ts';

/** What a client wants to be otherwise in a container that exists; what is absent or 0 stays as it is. */
export interface ContainerChange {
  /** A `pidsLimit` below 0 takes the limit away. */
  readonly resources: Partial<ResourceLimits>;
  readonly restart: RestartPolicy | undefined;
  readonly ports: PortChange;
}

/**
 * Changes limits and restart policy as `docker update` does, and published ports: at once when the container runs, and in
 * the record, for its later starts. Returns warnings about what this host cannot limit. Throws `invalid` for limits that cannot
 * be, `conflict` for those that contradict what is set; the container then has what it had.
 */
export async function updateContainer(
  context: ContainerContext,
  reference: string,
  change: ContainerChange,
): Promise<readonly string[]> {
  const { id } = context.collection.find(reference);
  requirePossible(change.resources, context.parts.hostFacts.cgroups, true);
  return context.collection.exclusively(id, async () => {
    const record = context.collection.find(id);
    try {
      const options = changedOptions(record, change);
      const ports = await changePorts(context, record, change.ports);
      const { host: before } = context.collection.update(id, ports);
      crashPoint('update.recorded');
      const host = { ...before, ...options };
      const { warnings } = isMachine(record)
        ? await changeMachine(context, record, host)
        : await applyIfRunning(context, record, host.resources);
      if (isAlive(record.state)) await prepareRestarts(context, record, host);
      emit(context, context.collection.update(id, { host }), 'update');
      return warnings;
    } catch (error) {
      if (!(error instanceof BerthError)) throw error;
      const { kind, message, hint } = error;
      throw new BerthError(kind, `Cannot update container ${id}: ${message}`, {
        ...(hint === undefined ? {} : { hint }),
        cause: error,
      });
    }
  });
}

/** The supervisor restarts the container by its own policy and from the bundle: both are to be the new ones. */
async function prepareRestarts(
  context: ContainerContext,
  record: ContainerRecord,
  { resources, restart }: HostOptions,
): Promise<void> {
  const { id } = record;
  await context.running.get(id)?.supervisor.setRestartPolicy(restartPlan(restart));
  if (isMachine(record)) return; // what it runs from stays as it is while it runs
  const path = `${containerDirectory(context, id)}/config.json`;
  const spec = JSON.parse(await readFile(path, 'utf8')) as OciSpec;
  const { devices: _, ...limits } = ociResources(resources, [], context.parts.hostFacts.cgroups).resources;
  const linux = { ...spec.linux, resources: { ...spec.linux.resources, ...limits } };
  await writeFileAtomic(path, JSON.stringify({ ...spec, linux }));
}

function changedOptions(record: ContainerRecord, { resources: wanted, restart }: ContainerChange) {
  const { config, host } = record;
  const { resources: before } = host;
  const resources = isMachine(record) ? withItsSwap(wanted) : wanted;
  refuseContradictions(before, resources);
  if (restart !== undefined) requireHealthcheck(config, restart);
  if (restart !== undefined && restart.name !== 'no' && host.autoRemove) {
    throw conflict('Restart policy cannot be updated because AutoRemove is enabled for the container');
  }
  const changed = Object.entries(resources).filter(([, value]) => value !== 0 && value !== '');
  return {
    resources: { ...before, ...Object.fromEntries(changed) },
    ...(restart === undefined ? {} : { restart }),
  };
}

/** A machine's kernel has no swap space: the limit of both, which Docker keeps as twice the memory, says nothing and goes along. */
function withItsSwap(wanted: ContainerChange['resources']): ContainerChange['resources'] {
  const { memory = 0, memorySwap = 0 } = wanted;
  return memory > 0 && memorySwap === 0 ? { ...wanted, memorySwap: 2 * memory } : wanted;
}

/** Docker's rules and words (moby, container/container_unix.go, UpdateContainer). */
function refuseContradictions(before: ResourceLimits, change: Partial<ResourceLimits>): void {
  const isSet = (value: number | undefined) => value !== undefined && value > 0;
  for (const [name, title] of [
    ['cpuPeriod', 'CPU Period'],
    ['cpuQuota', 'CPU Quota'],
  ] as const) {
    if (isSet(change.nanoCpus) && isSet(before[name])) {
      throw conflict(`Conflicting options: Nano CPUs cannot be updated as ${title} has already been set`);
    }
    if (isSet(change[name]) && isSet(before.nanoCpus)) {
      throw conflict(`Conflicting options: ${title} cannot be updated as NanoCPUs has already been set`);
    }
  }
  const { memory = 0, memorySwap = 0 } = change;
  if (before.memorySwap > 0 && memory > before.memorySwap && memorySwap === 0) {
    throw conflict(
      'Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time',
    );
  }
}

/** Checks the limits; in a container that runs they hold when this returns. A refusal by the kernel leaves the old ones. */
async function applyIfRunning(
  context: ContainerContext,
  record: ContainerRecord,
  limits: ResourceLimits,
): Promise<{ warnings: readonly string[] }> {
  const { hostFacts, runtimes, log } = context.parts;
  const { warnings, resources } = ociResources(limits, [], hostFacts.cgroups);
  if (!isActive(record.state)) return { warnings };
  const container = {
    id: record.id,
    directory: containerDirectory(context, record.id),
    pid: record.state.pid,
    runtime: requireRuntime(runtimes, record.host.runtime),
    stateRoot: runtimeRoot(context),
  };
  const apply = ({ devices: _, ...others }: typeof resources) =>
    changeResources(container, others, hostFacts.cgroups);
  try {
    await apply(resources);
  } catch (error) {
    await apply(ociResources(record.host.resources, [], hostFacts.cgroups).resources).catch(
      (failure: unknown) => {
        log.warn(
          { id: record.id, error: errorMessage(failure) },
          'limits could not be put back after a refused change',
        );
      },
    );
    throw error;
  }
  return { warnings };
}
