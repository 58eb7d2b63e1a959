import { invalid, notFound, notImplemented } from '../base/index.ts';
import type { Project, Service } from './model.ts';
import type { Observed } from './observe.ts';
import { type Plan, PlanBuilder } from './plan.ts';
import { imageKey, imageOf, wantedImage } from './selection.ts';

export interface ImageOptions {
  /** `--build`: build all that can be built; `--no-build`: nothing. */
  readonly build?: 'always' | 'never';
  /** `--pull`: over what services say. */
  readonly pull?: string;
}

export interface BuildCommandOptions {
  readonly noCache?: boolean;
  /** Look for newer base images. */
  readonly pull?: boolean;
  readonly args?: ReadonlyMap<string, string | null>;
}

/** What must be built or pulled before the services can have containers. Nothing waits for anything. */
export function planImages(
  project: Project,
  services: readonly Service[],
  observed: Pick<Observed, 'images'>,
  options: ImageOptions = {},
): Plan {
  const plan = new PlanBuilder();
  for (const service of services) {
    if (service.machine !== undefined) continue;
    const image = imageOf(project, service);
    const isThere = observed.images.has(imageKey(wantedImage(project, service)));
    const policy = options.pull ?? service.pullPolicy ?? 'missing';
    if (service.build !== undefined) planBuild(plan, { service, image, isThere, policy }, options);
    else planPull(plan, { service, image, isThere, policy });
  }
  return plan.done();
}

/** The steps of `compose build`. */
export function planBuilds(
  project: Project,
  services: readonly Service[],
  { noCache = false, pull = false, args = new Map() }: BuildCommandOptions = {},
): Plan {
  const plan = new PlanBuilder();
  for (const service of services) {
    if (service.build === undefined) continue;
    const build = {
      ...service.build,
      noCache: noCache || service.build.noCache,
      pull: pull || service.build.pull,
      args: new Map([...service.build.args, ...args]),
    };
    const image = imageOf(project, service);
    plan.add(
      { kind: 'build-image', service: service.name, image, build, platform: service.platform },
      'asked for',
    );
  }
  return plan.done();
}

/** The steps of `compose pull`. */
export function planPulls(project: Project, services: readonly Service[]): Plan {
  const plan = new PlanBuilder();
  for (const service of services) {
    if (service.machine !== undefined) continue;
    if (service.build !== undefined && service.image === undefined) continue;
    plan.add(
      { kind: 'pull-image', image: imageOf(project, service), platform: service.platform },
      'asked for',
    );
  }
  return plan.done();
}

interface Wanted {
  readonly service: Service;
  readonly image: string;
  readonly isThere: boolean;
  readonly policy: string;
}

function planBuild(
  plan: PlanBuilder,
  { service, image, isThere, policy }: Wanted,
  { build: mode }: ImageOptions,
): void {
  const { name, build, platform } = service;
  if (build === undefined) return;
  if (mode === 'never') {
    if (isThere) return;
    throw notFound(`service "${name}" has no image ${image} and must not build it`, {
      hint: 'Leave out --no-build',
    });
  }
  const cause = causeToBuild(mode, policy, isThere);
  if (cause !== undefined) plan.add({ kind: 'build-image', service: name, image, build, platform }, cause);
}

function causeToBuild(mode: ImageOptions['build'], policy: string, isThere: boolean): string | undefined {
  if (mode === 'always') return 'asked for';
  if (policy === 'build') return 'its pull_policy is build';
  return isThere ? undefined : 'it is not there';
}

function planPull(plan: PlanBuilder, { service, image, isThere, policy }: Wanted): void {
  const add = (cause: string) => plan.add({ kind: 'pull-image', image, platform: service.platform }, cause);
  switch (policy) {
    case 'always':
      add('its pull_policy is always');
      return;
    case 'missing':
    case 'if_not_present':
      if (!isThere) add('it is not there');
      return;
    case 'never':
      if (isThere) return;
      throw notFound(
        `service "${service.name}": the image ${image} is not there, and its pull_policy is never`,
        {
          hint: `Pull it with: docker pull ${image}`,
        },
      );
    case 'build':
      throw invalid(`service "${service.name}" has the pull_policy build, but no build section`);
    default:
      throw notImplemented(`service "${service.name}": the pull_policy ${policy} is not implemented`);
  }
}
