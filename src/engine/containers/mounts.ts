import { mkdir, realpath, stat } from 'node:fs/promises';
import { isAbsolute, join, relative } from 'node:path';
import { type ContainerId, invalid, isBerthError, systemErrorCode } from '../../base/index.ts';
import { findImage } from '../images/resolve.ts';
import type {
  ContainerConfig,
  ContainerMount,
  ContainerRecord,
  HostOptions,
  MountRequest,
} from './container.ts';
import type { ContainerContext } from './context.ts';

/**
 * Settles where a new container's mounts come from: other containers', the user's, and the volumes of the image, a parent
 * before what lies in it. Volumes that are made for it are added to `madeVolumes`. Throws `invalid` in Docker's words.
 */
export async function settleMounts(
  context: ContainerContext,
  id: ContainerId,
  config: ContainerConfig,
  host: HostOptions,
  madeVolumes: string[],
): Promise<ContainerMount[]> {
  refuseDuplicates(host);
  const byTarget = new Map(host.volumesFrom.flatMap((reference) => mountsOfOther(context, reference)));
  for (const mount of byTarget.values()) {
    if (mount.type === 'volume') context.volumes.reserve(mount.volume, id);
  }
  for (const request of host.mounts) {
    byTarget.set(request.target, await settleMount(context, id, request, host, madeVolumes));
  }
  for (const target of config.volumes) {
    if (byTarget.has(target) || target in host.tmpfs) continue;
    const request = { type: 'volume', source: '', target, readOnly: false, noCopy: false } as const;
    byTarget.set(target, await settleMount(context, id, request, host, madeVolumes));
  }
  for (const [target, options] of Object.entries(host.tmpfs)) {
    byTarget.set(target, { type: 'tmpfs', target, options });
  }
  return [...byTarget.values()].sort((a, b) => depth(a.target) - depth(b.target));
}

function refuseDuplicates({ mounts, tmpfs }: HostOptions): void {
  const targets = [...mounts.map(({ target }) => target), ...Object.keys(tmpfs)];
  const twice = targets.find((target, index) => targets.indexOf(target) !== index);
  if (twice !== undefined) throw invalid(`Duplicate mount point: ${twice}`);
}

/** What another container has mounted, by target; `NAME[:ro]`. What is read-only there stays so. */
function mountsOfOther(context: ContainerContext, reference: string): [string, ContainerMount][] {
  const [name = '', mode = 'rw'] = reference.split(':');
  const flags = mode.split(',');
  if (flags.some((flag) => !['ro', 'rw', 'z', 'Z'].includes(flag))) throw invalid(`invalid mode: ${mode}`);
  return findOther(context, name).mounts.flatMap((mount): [string, ContainerMount][] => {
    if (mount.type === 'tmpfs') return [];
    return [[mount.target, flags.includes('ro') ? { ...mount, readOnly: true } : mount]];
  });
}

function findOther(context: ContainerContext, name: string): ContainerRecord {
  try {
    return context.collection.find(name);
  } catch (error) {
    if (!isBerthError(error, 'not-found')) throw error;
    throw invalid(error.message, { cause: error }); // the request is wrong, what it asks about is not missing
  }
}

async function settleMount(
  context: ContainerContext,
  id: ContainerId,
  request: MountRequest,
  host: HostOptions,
  madeVolumes: string[],
): Promise<ContainerMount> {
  switch (request.type) {
    case 'tmpfs':
      return { type: 'tmpfs', target: request.target, options: request.options, listed: true };
    case 'image': {
      const { id: imageId } = await findImage(context.parts.store.images, request.source);
      const { source: image, target, subpath } = request;
      const common = { type: 'image', image, imageId, target, readOnly: true } as const;
      const source = context.imageMounts.root(imageId);
      return subpath === '' ? { ...common, source } : { ...common, source, subpath };
    }
    case 'bind': {
      await requireSource(request);
      const { type, source, target, readOnly, propagation, submounts } = request;
      const common = { type, source, target, readOnly, propagation, ...modeOf(request) };
      return submounts === undefined ? common : { ...common, submounts };
    }
    case 'volume': {
      const known = context.volumes.list().some(({ name }) => name === request.source);
      const wanted = {
        name: request.source,
        driver: request.driver || host.volumeDriver || '',
        driverOptions: request.driverOptions ?? {},
        labels: request.labels ?? {},
      };
      const volume = await context.volumes.create(wanted, id);
      if (!known) madeVolumes.push(volume.name);
      const { target, readOnly, noCopy, subpath = '' } = request;
      const { name, mountpoint, anonymous } = volume;
      const common = {
        volume: name,
        source: mountpoint,
        target,
        readOnly,
        anonymous,
        ...modeOf(request),
      } as const;
      if (subpath === '') return { type: 'volume', ...common, noCopy };
      return { type: 'volume', ...common, noCopy: true, subpath };
    }
  }
}

/** "ro" of "/source:/target:ro". */
function modeOf({ bind }: { readonly bind?: string }): { readonly mode?: string } {
  return bind === undefined ? {} : { mode: bind.split(':')[2] ?? '' };
}

async function requireSource(request: Extract<MountRequest, { type: 'bind' }>): Promise<void> {
  try {
    await stat(request.source);
  } catch (error) {
    if (systemErrorCode(error) !== 'ENOENT') throw error;
    if (!request.createSource) {
      throw invalid(
        `invalid mount config for type "bind": bind source path does not exist: ${request.source}`,
      );
    }
    await mkdir(request.source, { recursive: true, mode: 0o755 });
  }
}

/**
 * The host path that is mounted. A subpath of a volume or an image must exist, and its links must not lead out: throws
 * `invalid` otherwise.
 */
export async function sourceOf(mount: Exclude<ContainerMount, { type: 'tmpfs' }>): Promise<string> {
  if (mount.type === 'bind' || mount.subpath === undefined) return mount.source;
  const of = mount.type === 'volume' ? `volume ${mount.volume}` : `image ${mount.image}`;
  const what = `subpath "${mount.subpath}" of ${of}`;
  const root = await realpath(mount.source);
  const path = await realpath(join(root, mount.subpath)).catch((cause: unknown) => {
    if (systemErrorCode(cause) === 'ENOENT') throw invalid(`${what}: no such file or directory`, { cause });
    throw cause;
  });
  const inside = relative(root, path);
  if (inside === '..' || inside.startsWith('../') || isAbsolute(inside)) {
    throw invalid(`${what} leads out of the ${mount.type}`);
  }
  return path;
}

const depth = (path: string) => path.split('/').filter(Boolean).length;
