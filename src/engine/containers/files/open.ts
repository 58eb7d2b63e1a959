import { mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { conflict, invalid, isBerthError, notFound, notImplemented } from '../../../base/index.ts';
import type { FileWorker, Launcher } from '../../../runtime/index.ts';
import { MACHINE_DISK } from '../../../vm/index.ts';
import {
  type ContainerMount,
  type ContainerRecord,
  goingOnHint,
  isActive,
  isAlive,
  isMachine,
} from '../container.ts';
import { type ContainerContext, containerDirectory, runningOf } from '../context.ts';
import { imageOf } from '../create.ts';
import { diskSizeOf } from '../vm/allotment.ts';
import { openDiskFiles, type WrittenDisk } from '../vm/disk-files.ts';
import { openGuestChanges, openGuestFiles } from '../vm/guest.ts';
import { mountAt } from './paths.ts';

/** A container's files at one path: as its processes see them while it runs, else as they will at the next start. */
export interface OpenPlace extends AsyncDisposable {
  readonly worker: FileWorker;
  /** The path in the worker's root. */
  readonly path: string;
  /** The host folder that the worker shows, read-only: a stopped container's volume or bind mount. */
  readonly hostFolder?: string;
}

/**
 * Opens the place that a path of a container leads to. In a stopped one, whose mounts do not exist, a volume or bind
 * mount is found by the path alone: symlinks that lead into one are not followed. The caller holds the container's
 * lock unless it runs. A place in a virtual machine is closed when `signal` is aborted.
 */
export async function openPlace(
  context: ContainerContext,
  record: ContainerRecord,
  path: string,
  signal: AbortSignal,
): Promise<OpenPlace> {
  const mount = isActive(record.state) ? undefined : mountAt(record.mounts, path);
  if (mount === undefined || mount.type === 'tmpfs') {
    return placeIn(await openRoot(context, record, { signal }), path);
  }
  const files = await openHostFolder(context, mount);
  const inside = path.slice(mount.target.replace(/\/+$/, '').length) || '/';
  return { ...placeIn(files, inside), hostFolder: mount.source };
}

async function openHostFolder(
  { parts }: ContainerContext,
  { source, target }: Exclude<ContainerMount, { type: 'tmpfs' }>,
): Promise<FileWorker> {
  const stats = await stat(source).catch((cause: unknown) => {
    throw notFound(`${source}, which is mounted at ${target}, does not exist`, { cause });
  });
  if (!stats.isDirectory()) {
    throw notImplemented(
      `copying the file that is mounted at ${target} of a stopped container is not there yet`,
      {
        hint: `It is ${source} on this host; or start the container first`,
      },
    );
  }
  await forgetEarlier(parts.launcher, source);
  return parts.launcher.openFiles({ layers: [source], writable: undefined });
}

/** The launcher keeps what it has mounted by its path; a volume of the same name may be another one by now. */
async function forgetEarlier(launcher: Launcher, source: string): Promise<void> {
  try {
    await launcher.unmountLayer(source);
  } catch (error) {
    if (!isBerthError(error, 'conflict')) throw error; // in use just now, so it is the same one
  }
}

/**
 * A container's whole file system; volumes are in it while the container runs, unless `mounts` is false. A virtual machine's is closed
 * when `signal` is aborted.
 */
export async function openRoot(
  context: ContainerContext,
  record: ContainerRecord,
  options: { readonly mounts?: boolean; readonly signal?: AbortSignal } = {},
): Promise<FileWorker> {
  const { launcher } = context.parts;
  const { mounts = true, signal } = options;
  if (isMachine(record)) {
    if (isReadable(record)) return openGuestFiles(context, record, options);
    const waiting = signal === undefined ? {} : { signal };
    return openDiskFiles(context.briefMachines, await writtenDisk(context, record), 'rootAlone', waiting);
  }
  if (isActive(record.state)) {
    return launcher.openContainerFiles(runningOf(context, record).supervisor, { mounts });
  }
  const waiting = context.running.get(record.id);
  // Between two runs the supervisor has the root mounted, and a second overlay must not be.
  if (waiting !== undefined) return launcher.openContainerFiles(waiting.supervisor, { mounts: false });
  const image = await imageOf(context, record);
  const directory = containerDirectory(context, record.id);
  return launcher.openFiles({
    layers: image.layers.map((layer) => layer.path),
    writable: { upper: `${directory}/upper`, work: `${directory}/work` },
  });
}

/** What a virtual machine has written, as its guest or, while it does not run, another one reads it. The caller holds the lock unless it runs. */
export async function openChanges(
  context: ContainerContext,
  record: ContainerRecord,
  signal: AbortSignal,
): Promise<FileWorker> {
  if (isReadable(record)) return openGuestChanges(context, record, signal);
  return openDiskFiles(context.briefMachines, await writtenDisk(context, record), 'changes', { signal });
}

/** Whether its own guest can be asked for a virtual machine's files. Throws `conflict` where neither that nor another one can. */
function isReadable({ name, state }: ContainerRecord): boolean {
  if (state.status === 'running') return true;
  if (state.status === 'paused') {
    throw conflict(`the virtual machine ${name} is paused, and its files with it`, {
      hint: goingOnHint({ name, state }),
    });
  }
  if (isAlive(state)) {
    throw conflict(`the virtual machine ${name} is about to be restarted, and its files are on its disk`, {
      hint: `Wait until it runs, or stop it: berth stop ${name}`,
    });
  }
  return false;
}

async function writtenDisk(context: ContainerContext, record: ContainerRecord): Promise<WrittenDisk> {
  const { layers } = await imageOf(context, record);
  const path = `${containerDirectory(context, record.id)}/${MACHINE_DISK}`;
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  return { layers: layers.map((layer) => layer.path), path, size: diskSizeOf(record) };
}

/** Throws `invalid`, in Docker's words, when nothing may be written at a path of the container. */
export function checkWritable({ mounts, host }: ContainerRecord, path: string): void {
  const mount = mountAt(mounts, path);
  if (mount === undefined && host.readonlyRootfs) throw invalid('container rootfs is marked read-only');
  if (mount !== undefined && isReadOnly(mount)) throw invalid('mounted volume is marked read-only');
}

function isReadOnly(mount: ContainerMount): boolean {
  return mount.type !== 'tmpfs' && mount.readOnly;
}

function placeIn(worker: FileWorker, path: string): OpenPlace {
  return { worker, path, [Symbol.asyncDispose]: () => worker[Symbol.asyncDispose]() };
}
