import { canonicalName, crashPoint, familiarName, type Reference } from '../../base/index.ts';
import { changeConfig } from '../../build/index.ts';
import type { HistoryEntry, Image, ImageConfig, ImageRuntimeConfig, Layer } from '../../store/index.ts';
import { announceImage } from '../images/image-events.ts';
import { type ContainerConfig, type ContainerRecord, commandOf, isMachine } from './container.ts';
import { type ContainerContext, emit } from './context.ts';
import { imageOf } from './create.ts';
import { packChanges } from './files/pack-changes.ts';
import type { Healthcheck } from './healthcheck.ts';
import { pauseContainer, unpauseContainer } from './pause.ts';

/** How an image is made of a container (POST /commit). */
export interface CommitOptions {
  /** The new image's name; undefined: it has only its id. */
  readonly reference: Reference | undefined;
  readonly author: string;
  readonly comment: string;
  /** Dockerfile instructions that change the config. */
  readonly changes: readonly string[];
  /** Stop its processes meanwhile, so that its files are of one moment. */
  readonly pause: boolean;
  readonly signal: AbortSignal;
}

/** Makes an image of a container: its image's layers, its changes as one more, and its config. Volumes are no part of it. */
export async function commitContainer(
  context: ContainerContext,
  reference: string,
  options: CommitOptions,
): Promise<Image> {
  const record = context.collection.find(reference);
  const base = await imageOf(context, record);
  const runtime = changeConfig(runtimeConfig(record.config), options.changes);
  return pausedWhile(context, record, options.pause, async () => {
    const layer = await packLayer(context, record, options.signal);
    crashPoint('commit.layer');
    return addImage(context, record, base, layer, runtime, options);
  });
}

async function addImage(
  context: ContainerContext,
  record: ContainerRecord,
  base: Image,
  layer: Layer,
  runtime: ImageRuntimeConfig,
  options: CommitOptions,
): Promise<Image> {
  const config = imageConfig(record, base, layer, runtime, options);
  const tags = options.reference === undefined ? [] : [canonicalName(options.reference)];
  const image = await context.parts.store.images.add({
    configBytes: Buffer.from(JSON.stringify(config)),
    tags,
    layerBlobs: [...base.layerBlobs, undefined],
  });
  announceImage(context.events, image, { isNew: true, tags });
  crashPoint('commit.recorded');
  const imageRef = options.reference === undefined ? '' : familiarName(options.reference);
  emit(context, record, 'commit', { comment: options.comment, imageID: image.id, imageRef });
  return image;
}

async function pausedWhile<T>(
  context: ContainerContext,
  record: ContainerRecord,
  pause: boolean,
  work: () => Promise<T>,
): Promise<T> {
  const { id, state } = record;
  // A guest that stands still tells nothing of its files.
  if (!pause || state.status !== 'running' || isMachine(record)) return work();
  await pauseContainer(context, id);
  try {
    return await work();
  } finally {
    // Somebody may have let it go on, or killed it, meanwhile.
    if (context.collection.get(id)?.state.status === 'paused') await unpauseContainer(context, id);
  }
}

async function packLayer(
  context: ContainerContext,
  record: ContainerRecord,
  signal: AbortSignal,
): Promise<Layer> {
  return context.parts.store.layers.unpackTar(await packChanges(context, record, signal), { signal });
}

function imageConfig(
  record: ContainerRecord,
  base: Image,
  layer: Layer,
  runtime: ImageRuntimeConfig,
  { author, comment }: CommitOptions,
): ImageConfig {
  const created = new Date().toISOString();
  const entry: HistoryEntry = {
    created,
    created_by: commandOf(record.config).join(' '),
    ...(author === '' ? {} : { author }),
    ...(comment === '' ? {} : { comment }),
  };
  const { architecture, os, variant, rootfs, history = [] } = base.config;
  return {
    architecture,
    os,
    ...(variant === undefined ? {} : { variant }),
    created,
    ...(author === '' ? {} : { author }),
    config: runtime,
    rootfs: { type: 'layers', diff_ids: [...rootfs.diff_ids, layer.diffId] },
    history: [...history, entry],
  };
}

/** A container's config as that of an image: what is of this container alone, like its host name, stays behind. */
function runtimeConfig(config: ContainerConfig): ImageRuntimeConfig {
  const { user, env, entrypoint, cmd, workingDir, labels, exposedPorts, volumes } = config;
  const { stopSignal, healthcheck } = config;
  return {
    ...(user === '' ? {} : { User: user }),
    ...(exposedPorts.length === 0 ? {} : { ExposedPorts: emptyMembers(exposedPorts) }),
    Env: env,
    ...(entrypoint === undefined ? {} : { Entrypoint: entrypoint }),
    ...(cmd === undefined ? {} : { Cmd: cmd }),
    ...(volumes.length === 0 ? {} : { Volumes: emptyMembers(volumes) }),
    ...(workingDir === '' ? {} : { WorkingDir: workingDir }),
    Labels: labels,
    ...(stopSignal === undefined ? {} : { StopSignal: stopSignal }),
    ...(healthcheck === undefined ? {} : { Healthcheck: healthConfig(healthcheck) }),
  };
}

/** OCI and Docker leave out what is 0: Docker's defaults then hold. */
function healthConfig({ test, interval, timeout, startPeriod, startInterval, retries }: Healthcheck) {
  const times = { Interval: interval, Timeout: timeout, StartPeriod: startPeriod };
  const members = Object.entries({ ...times, StartInterval: startInterval, Retries: retries });
  return { Test: test, ...Object.fromEntries(members.filter(([, value]) => value !== 0)) };
}

/** Go's sets in JSON: a member with an empty object for each. */
function emptyMembers(names: readonly string[]): Record<string, object> {
  return Object.fromEntries(names.map((name) => [name, {}]));
}
