import { notFound } from '../base/index.ts';
import type { Project, Service } from './model.ts';

/**
 * The services that are meant, dependencies before those that need them: all, or the named ones with what they depend on.
 * Throws `not-found` for a name that is no service.
 */
export function selectServices(
  project: Project,
  names: readonly string[],
  { dependencies = true }: { dependencies?: boolean } = {},
): Service[] {
  const byName = new Map(project.services.map((service) => [service.name, service]));
  const unknown = names.find((name) => !byName.has(name));
  if (unknown !== undefined) {
    throw notFound(`no such service: ${unknown}`, {
      hint: `The services are ${[...byName.keys(), ...project.disabledServices].join(', ')}`,
    });
  }
  const selected = new Set<Service>();
  const wanted = names.length === 0 || dependencies ? undefined : new Set(names);
  const visit = (name: string) => {
    const service = byName.get(name);
    if (service === undefined || selected.has(service)) return;
    for (const dependency of service.dependsOn) visit(dependency.service);
    if (wanted === undefined || wanted.has(name)) selected.add(service);
  };
  for (const name of names.length === 0 ? byName.keys() : names) visit(name);
  return [...selected];
}

/** The image that a service's containers are made from. */
export function imageOf(project: Project, service: Service): string {
  return service.image ?? `${project.name}-${service.name}`;
}

/** An image as a service asks for it: of several under one name, the one for a platform. */
export interface WantedImage {
  readonly name: string;
  readonly platform?: string | undefined;
}

/** What is observed of an image is found by this. */
export function imageKey({ name, platform }: WantedImage): string {
  return platform === undefined ? name : `${name} for ${platform}`;
}

export function wantedImage(project: Project, service: Service): WantedImage {
  return { name: imageOf(project, service), platform: service.platform };
}

/** The images of all services. */
export function imagesOf(project: Project): WantedImage[] {
  return project.services.map((service) => wantedImage(project, service));
}

/** The name of one of a service's containers. */
export function containerName(project: Project, service: Service, number: number): string {
  return service.containerName ?? `${project.name}-${service.name}-${number}`;
}

/** What a container is called in log lines: its name without the project's. */
export function logLabel(project: string, container: string): string {
  return container.startsWith(`${project}-`) ? container.slice(project.length + 1) : container;
}
