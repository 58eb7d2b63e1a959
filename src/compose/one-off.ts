import { randomBytes } from 'node:crypto';
import { invalid } from '../base/index.ts';
import type { ContainerCreateRequest, EndpointSettings } from '../client/index.ts';
import { serviceHash } from './config-hash.ts';
import { containerRequest } from './container-request.ts';
import { containerLabels, LABEL } from './labels.ts';
import type { Project, Service, ServicePort, ServiceVolume } from './model.ts';
import { type Observed, observe } from './observe.ts';
import { planImages } from './plan-images.ts';
import { planUp } from './plan-up.ts';
import { imageKey, imageOf, imagesOf, selectServices, wantedImage } from './selection.ts';
import { type ComposeRun, executeTitled } from './up.ts';

/** What a one-off container has in place of what its service says. Undefined: as the service says. */
export interface OneOffOptions {
  readonly command?: readonly string[];
  readonly entrypoint?: readonly string[];
  /** Over the service's own. */
  readonly environment?: ReadonlyMap<string, string>;
  readonly user?: string;
  readonly workingDir?: string;
  readonly name?: string;
  /** In place of the service's, which a one-off container does not publish: they may be taken. */
  readonly ports?: readonly ServicePort[];
  /** Beside the service's own. */
  readonly volumes?: readonly ServiceVolume[];
  readonly tty: boolean;
  readonly stdin: boolean;
  /** Remove it when it has ended. */
  readonly remove?: boolean;
  /** False for `--no-deps`. */
  readonly dependencies?: boolean;
  readonly build?: 'always';
}

/**
 * Creates a container for one command of a service (`compose run`), with what it needs running beside it. It is not
 * started. Returns its id.
 */
export async function createOneOff(
  run: ComposeRun,
  project: Project,
  serviceName: string,
  options: OneOffOptions,
): Promise<string> {
  const { dependencies = true, build } = options;
  const services = selectServices(project, [serviceName], { dependencies });
  const before = await observe(run.client, project.name, imagesOf(project), run.signal);
  await executeTitled('build', planImages(project, services, before, { build }), run);
  const observed = await observe(run.client, project.name, imagesOf(project), run.signal);
  const plan = planUp(project, ...aside(services, observed, serviceName));
  for (const warning of plan.warnings) run.warn(warning);
  await executeTitled('up', plan, run);
  const service = services.find(({ name }) => name === serviceName);
  if (service === undefined) throw new TypeError(`${serviceName} was selected and is not there`);
  if (service.machine !== undefined) {
    throw invalid(`service "${serviceName}" is a machine, of which there are no one-off ones`, {
      hint: `Run a command in it: berth vm exec NAME COMMAND, with the name that compose ps shows`,
    });
  }
  const slug = randomBytes(6).toString('hex');
  const name = options.name ?? `${project.name}-${serviceName}-run-${slug}`;
  const running = await observe(run.client, project.name, [wantedImage(project, service)], run.signal);
  const request = oneOffRequest(project, service, running, { ...options, name, slug });
  const { Id: id } = await run.client.containers.create(request, { name, platform: service.platform });
  return id;
}

/** What a service needs is planned as for `up`; its own containers are left alone, as if there were and should be none. */
function aside(
  services: readonly Service[],
  observed: Observed,
  name: string,
): [services: Service[], observed: Observed] {
  return [
    services.map((service) => (service.name === name ? { ...service, scale: 0 } : service)),
    { ...observed, containers: observed.containers.filter(({ service }) => service !== name) },
  ];
}

/** The body of POST /containers/create for a one-off container. Pure. */
export function oneOffRequest(
  project: Project,
  service: Service,
  { containers, images }: Pick<Observed, 'containers' | 'images'>,
  options: OneOffOptions & { readonly name: string; readonly slug: string },
): ContainerCreateRequest {
  const { name, slug, tty, stdin, remove = false } = options;
  const special: Service = {
    ...service,
    containerName: undefined,
    command: options.command ?? service.command,
    entrypoint: options.entrypoint ?? service.entrypoint,
    environment: new Map([...service.environment, ...(options.environment ?? [])]),
    user: options.user ?? service.user,
    workingDir: options.workingDir ?? service.workingDir,
    ports: options.ports ?? [],
    volumes: [...service.volumes, ...(options.volumes ?? [])],
    restart: 'no',
    tty,
    stdinOpen: stdin,
  };
  const image = imageOf(project, service);
  const { [LABEL.number]: _number, ...labels } = containerLabels(project, service, {
    number: 0,
    configHash: serviceHash(special),
    imageId: images.get(imageKey(wantedImage(project, service))) ?? '',
  });
  const request = containerRequest(project, special, {
    name,
    image,
    labels: { ...labels, [LABEL.oneOff]: 'True', 'com.docker.compose.slug': slug },
    inherited: [],
    containerOf: (other) => containers.find((container) => container.service === other)?.name ?? other,
  });
  return {
    ...request,
    AttachStdin: stdin,
    StdinOnce: stdin,
    HostConfig: { ...request.HostConfig, AutoRemove: remove },
    NetworkingConfig: { EndpointsConfig: withoutServiceName(request, name) },
  };
}

/** Whoever asks for the service by name wants its real containers. */
function withoutServiceName(
  { NetworkingConfig: networking }: ContainerCreateRequest,
  name: string,
): Record<string, EndpointSettings> {
  return Object.fromEntries(
    Object.entries(networking?.EndpointsConfig ?? {}).map(([network, endpoint]) => [
      network,
      { ...endpoint, Aliases: [name] },
    ]),
  );
}
