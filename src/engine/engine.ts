import { type Builder, BuildKit, createBuilder } from '../build/index.ts';
import { createBuildHost } from './build-host/index.ts';
import { openContainerContext } from './containers/context.ts';
import { Containers } from './containers/index.ts';
import { DiskUsage } from './disk-usage/index.ts';
import { Events } from './events.ts';
import { Images } from './images/index.ts';
import { removeLeftovers } from './leftovers.ts';
import { Machines } from './machines/index.ts';
import { Networks } from './networks.ts';
import type { EngineParts } from './parts.ts';
import { Pruning } from './prune.ts';
import { Volumes } from './volumes.ts';

/** The domain of one berth instance, made from its parts. It knows nothing of HTTP. */
export interface Engine {
  readonly parts: EngineParts;
  readonly events: Events;
  readonly containers: Containers;
  readonly machines: Machines;
  readonly images: Images;
  readonly networks: Networks;
  readonly volumes: Volumes;
  readonly builder: Builder;
  /** The builder for clients that speak BuildKit's protocol. */
  readonly buildkit: BuildKit;
  readonly diskUsage: DiskUsage;
  readonly pruning: Pruning;
}

/** Builds the engine and brings its state in line with what the kernel says. */
export async function openEngine(parts: EngineParts): Promise<Engine> {
  const { store, registry, downloads, launcher, network, settings } = parts;
  const events = new Events();
  const networks = new Networks({ documents: store.documents, driver: network, events });
  const volumes = new Volumes({ documents: store.documents, launcher, events }, settings.dataRoot);
  const { discardBlobs, transfers } = settings;
  const images = new Images({ store, registry, downloads, launcher, events, discardBlobs, transfers });
  const context = openContainerContext(parts, { events, networks, volumes });
  const containers = new Containers(context);
  const machines = new Machines(context, (record) => containers.health(record));
  const builder = createBuilder({
    store,
    launcher,
    host: createBuildHost(parts, { events, images, networks, briefMachines: context.briefMachines }),
    scratchDirectory: `${settings.dataRoot}/build`,
  });
  const diskUsage = new DiskUsage({ store, containers, volumes, builder, dataRoot: settings.dataRoot });
  const pruning = new Pruning({
    ...{ store, events, containers, images, networks, volumes, builder },
    machines: parts.machines,
  });
  const buildkit = new BuildKit({
    builder,
    prune: (options) => pruning.buildCache(options),
    version: settings.version,
    workerId: settings.instance,
    onError: (error) => parts.log.error({ error: String(error) }, 'a call of a BuildKit client broke off'),
  });
  await removeLeftovers(parts, containers.everything());
  const survivors = await containers.findSurvivors();
  await networks.restore(survivors.living);
  parts.names.restore(survivors.names());
  await survivors.settle();
  return {
    ...{ parts, events, containers, machines, images, networks, volumes, builder, buildkit },
    ...{ diskUsage, pruning },
  };
}
