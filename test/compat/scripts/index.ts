import type { Script } from '../script.ts';
import { builds } from './build.ts';
import { containerFiles } from './container-files.ts';
import { attach, badCreate, containers, init } from './containers.ts';
import { events } from './events.ts';
import { health } from './health.ts';
import { imageArchives } from './image-archives.ts';
import { diskUsage, imageLists, imageRemoval, prunes, search } from './image-store.ts';
import { stats, update } from './limits.ts';
import { detach, logs } from './logs.ts';
import { networkChanges } from './network-changes.ts';
import { networkOptions } from './network-options.ts';
import { badOptions, options } from './options.ts';
import { images, networks, system, volumes } from './others.ts';
import { publishedPorts } from './published-ports.ts';
import { pushes } from './push.ts';
import { registry } from './registry.ts';

/** Every script, in the order in which they run. */
export const scripts: readonly Script[] = [
  system,
  containers,
  attach,
  logs,
  detach,
  badCreate,
  containerFiles,
  health,
  init,
  stats,
  update,
  options,
  badOptions,
  images,
  imageArchives,
  imageLists,
  imageRemoval,
  prunes,
  diskUsage,
  search,
  pushes,
  registry,
  networks,
  networkOptions,
  networkChanges,
  publishedPorts,
  volumes,
  builds,
  events,
];
