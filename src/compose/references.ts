import { type Located, type LocatedMap, wrongAt } from './located-yaml.ts';
import type { ProjectNetwork, ProjectVolume, Service } from './model.ts';

/** What the services of a project may refer to. */
export interface Referable {
  /** The services that are started, and where they stand in the file. */
  readonly services: readonly Service[];
  readonly section: LocatedMap;
  readonly networks: readonly ProjectNetwork[];
  readonly volumes: readonly ProjectVolume[];
}

/** Throws `invalid` for a name that nothing has, and for services that wait for each other in a circle. */
export function checkReferences({ services, section, networks, volumes }: Referable): void {
  const networkKeys = new Set(['default', ...networks.map(({ key }) => key)]);
  const volumeKeys = new Set(volumes.map(({ key }) => key));
  const serviceNames = new Set(services.map(({ name }) => name));
  for (const service of services) {
    const at: Located = section.entries.get(service.name) ?? section;
    const refuse = (what: string) =>
      wrongAt(
        section.keys.get(service.name) ?? at,
        `service "${service.name}" ${what}: invalid compose project`,
      );
    for (const { name } of service.networks) {
      if (!networkKeys.has(name)) throw refuse(`refers to undefined network ${name}`);
    }
    for (const volume of service.volumes) {
      if (volume.type === 'volume' && volume.source !== '' && !volumeKeys.has(volume.source)) {
        throw refuse(`refers to undefined volume ${volume.source}`);
      }
    }
    for (const { service: needed, required } of service.dependsOn) {
      if (required && !serviceNames.has(needed)) throw refuse(`depends on undefined service "${needed}"`);
    }
  }
  const cycle = findCycle(services);
  if (cycle !== undefined) throw wrongAt(section, `dependency cycle detected: ${cycle.join(' -> ')}`);
}

function findCycle(services: readonly Service[]): string[] | undefined {
  const byName = new Map(services.map((service) => [service.name, service]));
  const done = new Set<string>();
  const visit = (name: string, path: readonly string[]): string[] | undefined => {
    if (path.includes(name)) return [...path.slice(path.indexOf(name)), name];
    if (done.has(name)) return undefined;
    for (const { service } of byName.get(name)?.dependsOn ?? []) {
      const cycle = visit(service, [...path, name]);
      if (cycle !== undefined) return cycle;
    }
    done.add(name);
    return undefined;
  };
  for (const { name } of services) {
    const cycle = visit(name, []);
    if (cycle !== undefined) return cycle;
  }
  return undefined;
}
