import { mkdir } from 'node:fs/promises';
import { hostname } from 'node:os';
import {
  type ContainerId,
  crashPoint,
  invalid,
  isBerthError,
  newContainerId,
  notFound,
  shortId,
} from '../../base/index.ts';
import { type Platform, parsePlatform, platformName, runsOn } from '../../registry/index.ts';
import type { Image, ImageRuntimeConfig } from '../../store/index.ts';
import { findImageFor, withTag } from '../images/resolve.ts';
import { checkOptions } from './check.ts';
import { nameTaken } from './collection.ts';
import { networkOfMachine } from './connect.ts';
import {
  type ContainerConfig,
  type ContainerRecord,
  commandOf,
  type HostOptions,
  hasOwnKernel,
  imagesOf,
  isMachine,
  type NetworkAttachment,
} from './container.ts';
import { type ContainerContext, containerDirectory, emit } from './context.ts';
import { parseLink } from './dns-names.ts';
import { mergeHealthcheck } from './healthcheck.ts';
import { requireLogging } from './logs/index.ts';
import { settleMounts } from './mounts.ts';
import { newContainerName, requireContainerName } from './names.ts';
import { byPriority, checkNames } from './network-changes.ts';
import { removeUnusedVolume } from './remove.ts';
import { checkMachine } from './vm/check.ts';
import { refuseUnsharable, requireArchitecture } from './vm/refuse.ts';

/** What a client asks for: the image's own values where it leaves something open. */
export interface NewContainer {
  /** "" for a generated one. */
  readonly name: string;
  readonly config: ContainerConfig;
  /** What the image is to be for; undefined: this host, where there is such an image. */
  readonly platform?: Platform | undefined;
  readonly host: HostOptions;
  readonly networks: readonly NetworkAttachment[];
}

/** A new container, and what its user should know of it: one sentence each. */
export interface Created {
  readonly record: ContainerRecord;
  readonly warnings: readonly string[];
}

/** Makes a container that can be started: record, folders, volumes; nothing in the kernel yet. */
export async function createContainer(context: ContainerContext, request: NewContainer): Promise<Created> {
  const { collection } = context;
  void context.parts.gracePeriod.begin(); // most containers are started at once
  const { image: reference } = request.config;
  const image = await findImageFor(context.parts.store, reference, request.platform, withTag(reference));
  const id = newContainerId();
  const name = chooseName(context, request.name);
  const config = mergeWithImage(request.config, image.config.config ?? {}, id, request.host);
  if (commandOf(config).length === 0) throw invalid('no command specified');
  checkNetworks(context, request);
  await requireLogging(request.host.log);
  if (isMachine(request)) {
    const { architectures } = context.parts.machines;
    const architecture = requireArchitecture(config.image, image.config.architecture, architectures);
    await checkMachine(context, request.host, architecture);
  }
  const warnings = [
    ...foreignPlatform(request, image),
    ...(await checkOptions(context, config, request.host)),
  ];

  const directory = containerDirectory(context, id);
  const madeVolumes: string[] = [];
  try {
    await mkdir(`${directory}/upper`, { recursive: true, mode: 0o755 });
    await mkdir(`${directory}/work`);
    crashPoint('create.folders');
    const mounts = await settleMounts(context, id, config, request.host, madeVolumes);
    if (isMachine(request)) await refuseUnsharable(mounts);
    const record: ContainerRecord = {
      id,
      name,
      createdAt: new Date().toISOString(),
      imageId: image.id,
      config,
      host: request.host,
      mounts,
      networks: byPriority(request.networks),
      state: { status: 'created' },
      restartCount: 0,
      stoppedByUser: false,
    };
    // It may have been removed meanwhile; whoever removes it after this sees the container.
    const gone = imagesOf(record).find((one) => !context.parts.store.images.has(one));
    if (gone !== undefined) throw notFound(`No such image: ${gone}`);
    collection.add(record);
    crashPoint('create.recorded');
    emit(context, record, 'create');
    return { record, warnings };
  } catch (error) {
    await context.parts.launcher.removeTree(directory);
    context.volumes.release(id);
    for (const volume of madeVolumes) await removeUnusedVolume(context, volume);
    throw error;
  } finally {
    context.volumes.release(id);
  }
}

/** Docker's words for a container whose programs this host's processor most likely does not run. */
function foreignPlatform(request: NewContainer, { config }: Image): string[] {
  const host = parsePlatform('');
  if (isMachine(request) || request.platform !== undefined) return [];
  if (config.architecture === '' || runsOn(config, host)) return [];
  return [
    `The requested image's platform (${platformName(config)}) does not match the detected host platform ` +
      `(${platformName(host)}) and no specific platform was requested`,
  ];
}

function chooseName(context: ContainerContext, wanted: string): string {
  const { collection } = context;
  const name = wanted.replace(/^\//, '');
  if (name === '') return newContainerName((candidate) => collection.byName(candidate) !== undefined);
  requireContainerName(name);
  const holder = collection.byName(name);
  if (holder !== undefined) throw nameTaken(name, holder);
  return name;
}

/** Docker's merge: an entrypoint in the request drops the image's command too. */
function mergeWithImage(
  config: ContainerConfig,
  image: ImageRuntimeConfig,
  id: ContainerId,
  host: HostOptions,
): ContainerConfig {
  const ownEntrypoint = config.entrypoint !== undefined;
  // The API's way to clear the image's entrypoint is [""].
  const cleared = config.entrypoint?.length === 1 && config.entrypoint[0] === '';
  const entrypoint = cleared ? undefined : (config.entrypoint ?? image.Entrypoint ?? undefined);
  return {
    ...config,
    hostname: host.utsMode === 'host' || config.hostname !== '' ? config.hostname : defaultHostname(id, host),
    user: config.user === '' ? (image.User ?? '') : config.user,
    env: mergeEnv(image.Env ?? [], config.env),
    entrypoint,
    cmd: config.cmd ?? (ownEntrypoint ? undefined : (image.Cmd ?? undefined)),
    workingDir: config.workingDir === '' ? (image.WorkingDir ?? '') : config.workingDir,
    labels: { ...image.Labels, ...config.labels },
    exposedPorts: [...new Set([...Object.keys(image.ExposedPorts ?? {}), ...config.exposedPorts])],
    volumes: [...new Set([...Object.keys(image.Volumes ?? {}), ...config.volumes])],
    stopSignal: config.stopSignal ?? image.StopSignal,
    healthcheck: mergeHealthcheck(config.healthcheck, image.Healthcheck),
    shell: config.shell ?? image.Shell,
  };
}

/** In the host's network the host's name is the one that others know. */
function defaultHostname(id: ContainerId, { networkMode }: HostOptions): string {
  return networkMode === 'host' ? hostname() : shortId(id);
}

/** The request's variables first, then the image's that it does not set; "NAME" alone unsets. */
function mergeEnv(image: readonly string[], own: readonly string[]): string[] {
  const nameOf = (entry: string) => entry.split('=', 1)[0];
  const set = new Set(own.map(nameOf));
  const path = [...image, ...own].some((entry) => entry.startsWith('PATH='))
    ? []
    : ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'];
  return [
    ...own.filter((entry) => entry.includes('=')),
    ...path,
    ...image.filter((entry) => !set.has(nameOf(entry))),
  ];
}

function checkLink(context: ContainerContext, other: string): void {
  try {
    context.collection.find(other);
  } catch (error) {
    if (!isBerthError(error, 'not-found')) throw error;
    throw invalid(`could not get container for ${other}: ${error.message}`, { cause: error });
  }
}

function checkNetworks(context: ContainerContext, { host, networks }: NewContainer): void {
  for (const attachment of networks) checkNames(attachment);
  for (const link of host.links ?? []) checkLink(context, parseLink(link).container);
  const { networkMode } = host;
  if (networkMode.startsWith('container:')) {
    const joined = context.collection.find(networkMode.slice('container:'.length));
    if (hasOwnKernel(joined)) throw networkOfMachine(joined);
    if (host.ports.length > 0) {
      throw invalid('conflicting options: port publishing and the container type network mode');
    }
    return;
  }
}

/** The image a record was made from; throws `not-found` when it was lost. */
export async function imageOf(context: ContainerContext, record: ContainerRecord): Promise<Image> {
  const { imageId } = record;
  const image = imageId === undefined ? undefined : await context.parts.store.images.get(imageId);
  if (image === undefined) {
    throw notFound(`the image ${shortId(imageId ?? '')} of container ${record.name} is gone`, {
      hint: 'Remove the container and run it anew',
    });
  }
  return image;
}
