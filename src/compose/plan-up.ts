import { invalid, notFound } from '../base/index.ts';
import { serviceHash } from './config-hash.ts';
import { containerRequest, machineCreateRequest, networkName } from './container-request.ts';
import { containerLabels } from './labels.ts';
import type { Project, Service, ServiceMachine } from './model.ts';
import type { Observed, ObservedContainer } from './observe.ts';
import { type Plan, PlanBuilder } from './plan.ts';
import { planRemoval } from './plan-down.ts';
import { type Planning, planNetworks, planVolumes } from './plan-resources.ts';
import { containerName, imageKey, imageOf, wantedImage } from './selection.ts';

export interface UpOptions {
  /** `--force-recreate`, `--no-recreate`; without: what has changed. */
  readonly recreate?: 'always' | 'never';
  /** The services that were named; those that they only depend on are recreated only when they have changed. */
  readonly named?: readonly string[];
  readonly noStart?: boolean;
  /** `--wait`: until all run, or are healthy where health is checked. */
  readonly wait?: boolean;
  /** `--scale`: numbers of containers over what the file says. */
  readonly scale?: ReadonlyMap<string, number>;
  readonly removeOrphans?: boolean;
  /** Seconds that a container has to stop in; undefined: its own. */
  readonly timeout?: number;
}

/**
 * What turns the observed state into the desired one for `services`, dependencies first: networks and volumes, then
 * containers, then their starts by `depends_on`. Images are there already. Pure: the same input gives the same plan.
 */
export function planUp(
  project: Project,
  services: readonly Service[],
  observed: Observed,
  options: UpOptions = {},
): Plan {
  const plan = new PlanBuilder();
  const up: Up = {
    ...{ plan, project, observed, options },
    ...{ recreated: new Set(), removed: new Set(), places: new Map() },
  };
  planOrphans(up);
  for (const member of planNetworks(up, services, options.timeout)) up.removed.add(member);
  planVolumes(up, services);
  for (const service of services) planContainers(up, service);
  if (options.noStart !== true) {
    for (const service of services) planStarts(up, service);
    if (options.wait === true) for (const service of services) planWait(up, service);
  }
  return plan.done();
}

interface Up extends Planning {
  readonly options: UpOptions;
  /** Services whose containers are replaced. */
  readonly recreated: Set<string>;
  /** Containers that go before anything is made, as the network that they are on is made anew. */
  readonly removed: Set<ObservedContainer>;
  /** The containers that each service has once the plan is done. */
  readonly places: Map<string, Place[]>;
}

/** A container of the desired state. */
interface Place {
  readonly name: string;
  /** The step that makes it; undefined where it stays. */
  readonly made: string | undefined;
  readonly existing: ObservedContainer | undefined;
}

function planOrphans({ plan, project, observed, options }: Up): void {
  const orphans = orphansOf(project, observed);
  if (orphans.length === 0) return;
  if (options.removeOrphans === true) {
    for (const orphan of orphans) planRemoval(plan, orphan, 'no service of the project has it', options);
    return;
  }
  const names = orphans.map(({ name }) => name).join(', ');
  plan.warn(
    `Found orphan containers (${names}) for this project. If you removed or renamed this service in your compose file, you can run this command with the --remove-orphans flag to clean it up.`,
  );
}

/** Containers of services that the project no longer has, and what one-off ones have left. */
export function orphansOf(
  project: Project,
  { containers }: Pick<Observed, 'containers'>,
): ObservedContainer[] {
  const known = new Set([...project.services.map(({ name }) => name), ...project.disabledServices]);
  return containers.filter(({ service, oneOff, state }) =>
    oneOff ? state === 'exited' : !known.has(service),
  );
}

function planContainers(up: Up, service: Service): void {
  const { plan, observed, options } = up;
  const scale = options.scale?.get(service.name) ?? service.scale;
  if (service.containerName !== undefined && scale > 1) {
    throw invalid(
      `service "${service.name}" has the container_name ${service.containerName} and cannot have ${scale} containers`,
      {
        hint: 'Names are unique: leave out container_name to scale it',
      },
    );
  }
  const rank = ({ name, number }: ObservedContainer) =>
    name === containerName(up.project, service, number) ? 0 : 1;
  const existing = observed.containers
    .filter((container) => container.service === service.name && !container.oneOff)
    .sort((a, b) => a.number - b.number || rank(a) - rank(b));
  // Of two with one number, a recreation that was cut short has left the one with another name.
  const kept = existing.slice(0, scale);
  for (const surplus of existing.slice(scale)) {
    planRemoval(plan, surplus, `${service.name} is scaled to ${scale}`, options);
  }
  const places = kept.map((container) => planExisting(up, service, container));
  const taken = new Set(kept.map(({ number }) => number));
  for (let number = 1; places.length < scale; number += 1) {
    if (!taken.has(number)) places.push(planNew(up, service, number, 'it is not there'));
  }
  up.places.set(service.name, places);
}

/** Keeps a container, or replaces it for one of the causes. */
function planExisting(up: Up, service: Service, existing: ObservedContainer): Place {
  const { plan, options } = up;
  const cause = causeToReplace(up, service, existing);
  if (cause === undefined) {
    if (existing.state === 'running' && options.noStart !== true) {
      plan.add({ kind: 'keep-container', name: existing.name }, 'nothing changed');
    }
    return { name: existing.name, made: undefined, existing };
  }
  up.recreated.add(service.name);
  if (service.machine !== undefined && !up.removed.has(existing)) {
    planRemoval(plan, existing, cause, options);
    up.removed.add(existing);
  }
  if (up.removed.has(existing)) return planNew(up, service, existing.number, cause, existing);
  const { name, action } = newContainer(up, service, existing.number, existing);
  const replaces = { id: existing.id, name: existing.name };
  const made = plan.add(
    { ...action, kind: 'recreate-container', replaces, timeout: options.timeout },
    cause,
    prerequisites(up, service),
  );
  return { name, made, existing: undefined };
}

function planNew(up: Up, service: Service, number: number, cause: string, former?: ObservedContainer): Place {
  const { machine } = service;
  const { name, action } =
    machine === undefined
      ? newContainer(up, service, number, former)
      : newMachine(up, service, machine, number);
  const removal = former === undefined ? [] : [`remove container ${former.name}`];
  const made = up.plan.add(action, cause, [...removal, ...prerequisites(up, service)]);
  return { name, made, existing: undefined };
}

/** With a machine its disks would go, so it is replaced only when that is asked for. */
function causeToReplace(up: Up, service: Service, existing: ObservedContainer): string | undefined {
  const cause = causeToRecreate(up, service, existing);
  if (cause === undefined || service.machine === undefined) return cause;
  if (up.removed.has(existing) || up.options.recreate === 'always') return cause;
  up.plan.warn(
    `the machine ${existing.name} stays as it is, although ${cause}: its disks would be lost. Make it anew with --force-recreate`,
  );
  return undefined;
}

function causeToRecreate(
  { project, observed, options, recreated, removed }: Up,
  service: Service,
  existing: ObservedContainer,
): string | undefined {
  if (removed.has(existing)) return 'its network is made anew';
  const isNamed =
    options.named === undefined || options.named.length === 0 || options.named.includes(service.name);
  if (options.recreate === 'never') return undefined;
  if (options.recreate === 'always' && isNamed) return 'asked for';
  if (existing.configHash !== serviceHash(service)) return 'its configuration changed';
  if (existing.name !== containerName(project, service, existing.number)) return 'it has another name';
  const isContainer = service.machine === undefined;
  if (isContainer && existing.imageId !== observed.images.get(imageKey(wantedImage(project, service)))) {
    return 'its image changed';
  }
  const missing = service.networks
    .map(({ name }) => networkName(project, name))
    .find((name) => !existing.networks.includes(name));
  if (missing !== undefined) return `it is not on the network ${missing}`;
  const owner = namespaceOwners(service).find((name) => recreated.has(name));
  return owner === undefined ? undefined : `it shares a namespace with ${owner}, which is recreated`;
}

/** Services whose namespaces this one joins. */
function namespaceOwners({ networkMode, ipc, pid }: Service): string[] {
  return [networkMode, ipc, pid].flatMap((mode) =>
    mode?.startsWith('service:') === true ? [mode.slice('service:'.length)] : [],
  );
}

function newContainer(up: Up, service: Service, number: number, former: ObservedContainer | undefined) {
  const { project, observed } = up;
  const name = containerName(project, service, number);
  const image = imageOf(project, service);
  const imageId = observed.images.get(imageKey(wantedImage(project, service))) ?? '';
  const labels = containerLabels(project, service, { number, configHash: serviceHash(service), imageId });
  const request = containerRequest(project, service, {
    ...{ name, image, labels },
    inherited: former?.anonymousVolumes ?? [],
    containerOf: (other) => firstContainer(up, other),
  });
  const { platform } = service;
  return { name, action: { kind: 'create-container', name, request, platform } as const };
}

function newMachine(up: Up, service: Service, machine: ServiceMachine, number: number) {
  const name = containerName(up.project, service, number);
  const labels = containerLabels(up.project, service, {
    ...{ number, configHash: serviceHash(service), imageId: '' },
  });
  const request = machineCreateRequest(up.project, service, machine, { name, labels });
  return { name, action: { kind: 'create-machine', name, request } as const };
}

function firstContainer({ places, observed }: Up, service: string): string {
  const name =
    places.get(service)?.[0]?.name ??
    observed.containers.find((container) => container.service === service)?.name;
  if (name !== undefined) return name;
  throw notFound(`service "${service}" has no container whose namespace could be shared`);
}

/** What a new container needs: its networks and volumes, and the containers of what it depends on. */
function prerequisites({ project, places }: Up, service: Service): string[] {
  return [
    ...service.networks.map(({ name }) => `create network ${networkName(project, name)}`),
    ...service.volumes.flatMap((volume) =>
      volume.type === 'volume'
        ? [`create volume ${project.volumes.find(({ key }) => key === volume.source)?.name ?? ''}`]
        : [],
    ),
    ...service.dependsOn.flatMap((dependency) =>
      (places.get(dependency.service) ?? []).flatMap(({ made }) => made ?? []),
    ),
  ];
}

/** Nothing starts before all containers are there: one that cannot be made leaves no half of the application running. */
function planStarts(up: Up, service: Service): void {
  const { plan, places, recreated, options } = up;
  const allMade = [...places.values()].flatMap((list) => list.flatMap(({ made }) => made ?? []));
  const conditions = service.dependsOn.flatMap((dependency) => planCondition(up, dependency));
  const renewed = service.dependsOn.find(
    (dependency) => dependency.restart && recreated.has(dependency.service),
  );
  for (const { name, made, existing } of places.get(service.name) ?? []) {
    const after = [...allMade, ...conditions];
    if (existing?.state === 'running') {
      if (renewed === undefined) continue;
      const { timeout } = options;
      plan.add({ kind: 'restart-container', name, timeout }, `${renewed.service} was recreated`, after);
      continue;
    }
    plan.add({ kind: 'start-container', name }, made === undefined ? 'it does not run' : 'it is new', after);
  }
}

/** The steps that a dependent's start waits for. */
function planCondition(
  { plan, places }: Up,
  { service, condition, required }: Service['dependsOn'][number],
): string[] {
  return (places.get(service) ?? []).map(({ name }) => {
    const started = `start container ${name}`;
    if (condition === 'service_started') return started;
    return plan.add(
      { kind: 'await-container', name, service, condition, required },
      `something depends on ${service} with ${condition}`,
      [started],
    );
  });
}

/** What others await the end of would never be found running. */
function planWait({ plan, project, places }: Up, { name: service }: Service): void {
  const ends = project.services.some(({ dependsOn }) =>
    dependsOn.some(
      (dependency) =>
        dependency.service === service && dependency.condition === 'service_completed_successfully',
    ),
  );
  const condition = ends ? 'service_completed_successfully' : 'running_or_healthy';
  for (const { name } of places.get(service) ?? []) {
    const action = { kind: 'await-container', name, service, condition, required: true } as const;
    plan.add(action, 'asked for by --wait', [`start container ${name}`, `restart container ${name}`]);
  }
}
