import { notFound } from '../base/index.ts';
import { networkHash, volumeHash } from './config-hash.ts';
import { networkLabels, volumeLabels, withValues } from './labels.ts';
import type { Project, ProjectNetwork, ProjectVolume, Service } from './model.ts';
import type { Observed, ObservedContainer, ObservedResource } from './observe.ts';
import type { PlanBuilder } from './plan.ts';
import { planRemoval } from './plan-down.ts';

/** A plan in the making, and what it is made of. */
export interface Planning {
  readonly plan: PlanBuilder;
  readonly project: Project;
  readonly observed: Observed;
}

/**
 * Plans the networks of `services`: those that are missing, and those that are made anew as they have changed. Returns the
 * containers that go before that, each within `timeout` seconds. Throws `not-found` for a missing external one.
 */
export function planNetworks(
  planning: Planning,
  services: readonly Service[],
  timeout: number | undefined,
): readonly ObservedContainer[] {
  const keys = new Set(services.flatMap((service) => service.networks.map(({ name }) => name)));
  return planning.project.networks
    .filter(({ key }) => keys.has(key))
    .flatMap((network) => planNetwork(planning, network, services, timeout));
}

/** Plans the volumes of `services`: those that are missing. Throws `not-found` for a missing external one. */
export function planVolumes(planning: Planning, services: readonly Service[]): void {
  const keys = new Set(
    services.flatMap((service) =>
      service.volumes.map((volume) => (volume.type === 'volume' ? volume.source : '')),
    ),
  );
  for (const volume of planning.project.volumes.filter(({ key }) => keys.has(key))) {
    planVolume(planning, volume);
  }
}

/** Plans one network; returns the containers that go with its former shape. */
function planNetwork(
  planning: Planning,
  network: ProjectNetwork,
  services: readonly Service[],
  timeout: number | undefined,
): readonly ObservedContainer[] {
  const { plan, project, observed } = planning;
  const existing = observed.networks.find(({ name }) => name === network.name);
  if (network.external) {
    if (existing !== undefined) return [];
    throw notFound(`network ${network.name} declared as external, but could not be found`, {
      hint: `Create it with: docker network create ${network.name}`,
    });
  }
  const hash = networkHash(network);
  const request = {
    Name: network.name,
    Driver: network.driver,
    Internal: network.internal,
    Attachable: network.attachable,
    EnableIPv6: network.enableIpv6,
    IPAM: ipam(network),
    Options: withValues(network.driverOptions),
    Labels: networkLabels(project.name, network, hash),
  };
  const create = { kind: 'create-network', name: network.name, request } as const;
  if (existing === undefined) {
    plan.add(create, 'it is not there');
    return [];
  }
  warnOfOwner(planning, existing);
  if (existing.project !== project.name || existing.configHash === hash) return [];
  const members = observed.containers.filter(({ networks }) => networks.includes(network.name));
  const other = members.find(({ service }) => !services.some(({ name }) => name === service));
  if (other !== undefined) {
    plan.warn(
      `network "${network.name}" exists but doesn't match configuration in compose file: it stays as it is, as ${other.name} uses it, too`,
    );
    return [];
  }
  const removals = members.map((member) =>
    planRemoval(plan, member, `its network ${network.name} changed`, { timeout }),
  );
  const removed = plan.add(
    { kind: 'remove-network', name: network.name, id: existing.id },
    'its configuration changed',
    removals,
  );
  plan.add(create, 'its configuration changed', [removed]);
  return members;
}

function ipam({ subnet, ipRange, gateway }: ProjectNetwork) {
  if (subnet === undefined && ipRange === undefined && gateway === undefined) return undefined;
  return { Config: [{ Subnet: subnet, IPRange: ipRange, Gateway: gateway }] };
}

function planVolume({ plan, project, observed }: Planning, volume: ProjectVolume): void {
  const existing = observed.volumes.find(({ name }) => name === volume.name);
  if (volume.external) {
    if (existing !== undefined) return;
    throw notFound(`external volume "${volume.name}" not found`, {
      hint: `Create it with: docker volume create ${volume.name}`,
    });
  }
  const hash = volumeHash(volume);
  if (existing === undefined) {
    const request = {
      Name: volume.name,
      Driver: volume.driver,
      DriverOpts: withValues(volume.driverOptions),
      Labels: volumeLabels(project.name, volume, hash),
    };
    plan.add({ kind: 'create-volume', name: volume.name, request }, 'it is not there');
    return;
  }
  if (existing.project !== project.name) {
    const owner = existing.project === undefined ? '' : ` for project "${existing.project}"`;
    plan.warn(
      `volume "${volume.name}" already exists but was not created ${owner === '' ? 'by Docker Compose' : `${owner.trim()} and not "${project.name}"`}. Use \`external: true\` to use an existing volume`,
    );
  } else if (!isSameVolume(volume, existing)) {
    plan.warn(
      `volume "${volume.name}" exists but doesn't match configuration in compose file: it stays as it is, as it may hold data`,
    );
  }
}

function isSameVolume(
  { driver = 'local', driverOptions }: ProjectVolume,
  existing: Observed['volumes'][number],
): boolean {
  const names = new Set([...driverOptions.keys(), ...Object.keys(existing.options)]);
  const isEqual = (name: string) => (driverOptions.get(name) ?? '') === (existing.options[name] ?? '');
  return driver === existing.driver && [...names].every(isEqual);
}

/** A network of another's making is used as it is. */
function warnOfOwner({ plan, project }: Planning, { name, project: owner }: ObservedResource): void {
  if (owner === project.name) return;
  const whose = owner === undefined ? 'by compose' : `for project "${project.name}"`;
  plan.warn(
    `a network with name ${name} exists but was not created ${whose}. Set \`external: true\` to use an existing network`,
  );
}
