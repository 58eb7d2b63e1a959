import type { ProjectNetwork, ProjectVolume, Service } from './model.ts';

/** The labels by which Docker Compose, and so berth, finds what belongs to a project. */
export const LABEL = {
  project: 'com.docker.compose.project',
  service: 'com.docker.compose.service',
  number: 'com.docker.compose.container-number',
  oneOff: 'com.docker.compose.oneoff',
  configHash: 'com.docker.compose.config-hash',
  image: 'com.docker.compose.image',
  dependsOn: 'com.docker.compose.depends_on',
  workingDirectory: 'com.docker.compose.project.working_dir',
  configFiles: 'com.docker.compose.project.config_files',
  network: 'com.docker.compose.network',
  volume: 'com.docker.compose.volume',
  version: 'com.docker.compose.version',
  replaces: 'com.docker.compose.replace',
} as const;

/** The Docker Compose whose labels and rules these are. */
export const COMPOSE_VERSION = '5.6.0';

/** What identifies the project of a resource. */
export interface Owner {
  readonly name: string;
  readonly directory: string;
  readonly files: readonly string[];
}

/** The labels of a service's container. */
export function containerLabels(
  owner: Owner,
  service: Service,
  { number, configHash, imageId }: { number: number; configHash: string; imageId: string },
): Record<string, string> {
  return {
    ...withValues(service.labels),
    [LABEL.project]: owner.name,
    [LABEL.service]: service.name,
    [LABEL.number]: String(number),
    [LABEL.oneOff]: 'False',
    [LABEL.configHash]: configHash,
    [LABEL.image]: imageId,
    [LABEL.dependsOn]: service.dependsOn
      .map(({ service: name, condition, restart }) => `${name}:${condition}:${restart}`)
      .join(','),
    [LABEL.workingDirectory]: owner.directory,
    [LABEL.configFiles]: owner.files.join(','),
    [LABEL.version]: COMPOSE_VERSION,
  };
}

export function networkLabels(
  project: string,
  network: ProjectNetwork,
  configHash: string,
): Record<string, string> {
  return {
    ...withValues(network.labels),
    [LABEL.project]: project,
    [LABEL.network]: network.key,
    [LABEL.configHash]: configHash,
    [LABEL.version]: COMPOSE_VERSION,
  };
}

export function volumeLabels(
  project: string,
  volume: ProjectVolume,
  configHash: string,
): Record<string, string> {
  return {
    ...withValues(volume.labels),
    [LABEL.project]: project,
    [LABEL.volume]: volume.key,
    [LABEL.configHash]: configHash,
    [LABEL.version]: COMPOSE_VERSION,
  };
}

/** A mapping for the API: a key without a value has the empty one. */
export function withValues(pairs: ReadonlyMap<string, string | null>): Record<string, string> {
  return Object.fromEntries([...pairs].map(([name, value]) => [name, value ?? '']));
}
