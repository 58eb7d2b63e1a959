import { canonicalName, isBerthError, type Reference } from '../../base/index.ts';
import type { BuildHost, BuildRequest } from '../../build/index.ts';
import { parsePlatform } from '../../registry/index.ts';
import type { Image } from '../../store/index.ts';
import type { BriefMachines } from '../containers/vm/brief-machines.ts';
import type { Events } from '../events.ts';
import { announceImage } from '../images/image-events.ts';
import type { Images } from '../images/index.ts';
import type { Networks } from '../networks.ts';
import type { EngineParts } from '../parts.ts';
import { runContainerStep } from './container-step.ts';
import { runMachineStep } from './machine-step.ts';

/** What the builder asks of the engine: base images, and a place to run its steps. */
export function createBuildHost(
  parts: EngineParts,
  services: { events: Events; images: Images; networks: Networks; briefMachines: BriefMachines },
): BuildHost {
  const { events, images, networks, briefMachines } = services;
  return {
    resolveImage: (reference, options) => resolveImage(images, reference, options),
    imageMade: (image, news) => announceImage(events, image, news),
    runStep: (step) =>
      step.isolation === 'vm'
        ? runMachineStep(parts, { networks, briefMachines }, step)
        : runContainerStep(parts, networks, step),
  };
}

async function resolveImage(
  images: Images,
  reference: Reference,
  options: Parameters<BuildHost['resolveImage']>[1],
): Promise<Image> {
  const { platform } = options;
  const local = options.pull ? undefined : await localImage(images, canonicalName(reference), platform);
  if (local !== undefined) return local;
  return images.pull(reference, {
    platform,
    ...(options.credentials === undefined ? {} : { credentials: options.credentials }),
    signal: options.signal,
    onProgress: options.onProgress,
  });
}

/** One that is here under the name is taken as it is, except for another platform than this host's. */
async function localImage(
  images: Images,
  name: string,
  platform: BuildRequest['platform'],
): Promise<Image | undefined> {
  const isOwn = platform.architecture === parsePlatform('').architecture;
  try {
    return await images.findFor(name, isOwn ? undefined : platform);
  } catch (error) {
    if (isBerthError(error, 'not-found')) return undefined;
    throw error;
  }
}
