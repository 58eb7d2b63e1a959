import { canonicalName, type Reference } from '../../base/index.ts';
import type { BuildHost } from '../../build/index.ts';
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
      step.isolation.kind === 'vm'
        ? runMachineStep(parts, { networks, briefMachines }, step)
        : runContainerStep(parts, networks, step),
  };
}

async function resolveImage(
  images: Images,
  reference: Reference,
  options: Parameters<BuildHost['resolveImage']>[1],
): Promise<Image> {
  const local = options.pull ? undefined : await images.lookUp(canonicalName(reference));
  if (local !== undefined) return local;
  return images.pull(reference, {
    platform: { os: 'linux', architecture: process.arch === 'x64' ? 'amd64' : process.arch },
    ...(options.credentials === undefined ? {} : { credentials: options.credentials }),
    signal: options.signal,
    onProgress: options.onProgress,
  });
}
