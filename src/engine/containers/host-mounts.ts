import { conflict, notFound } from '../../base/index.ts';
import { mountOnHost, removeHostMount } from '../host-mounts.ts';
import { type ContainerMount, type ContainerRecord, isActive } from './container.ts';
import { type ContainerContext, containerDirectory } from './context.ts';

/**
 * What a container shares with others is mounted on the host: volumes with a device, images, and
 * /dev/shm with `--ipc shareable`.
 */
export async function mountShared(context: ContainerContext, record: ContainerRecord): Promise<void> {
  for (const mount of record.mounts) {
    if (mount.type === 'image') await openImage(context, record, mount);
    if (mount.type !== 'volume') continue;
    await context.volumes.open(mount.volume, record.id);
    context.events.emit('volume', 'mount', mount.volume, {
      container: record.id,
      destination: mount.target,
      driver: 'local',
      propagation: '',
      'read/write': String(!mount.readOnly),
    });
  }
  if (record.host.ipcMode !== 'shareable') return;
  await mountOnHost({
    type: 'tmpfs',
    source: 'shm',
    options: `nosuid,nodev,noexec,mode=1777,size=${record.host.shmSize}`,
    target: sharedMemory(context, record),
  });
}

async function openImage(
  context: ContainerContext,
  { id }: ContainerRecord,
  { image: name, imageId, target }: Extract<ContainerMount, { type: 'image' }>,
): Promise<void> {
  const image = await context.parts.store.images.get(imageId);
  if (image === undefined) {
    throw notFound(`the image ${name} that is mounted at ${target} is gone`, { hint: `Pull it again` });
  }
  await context.imageMounts.open(image, id);
}

/** For a container that was found alive when berthd started: its mounts are there. */
export function keepShared(context: ContainerContext, record: ContainerRecord): void {
  for (const mount of record.mounts) {
    if (mount.type === 'volume') context.volumes.keepOpen(mount.volume, record.id);
    if (mount.type === 'image') context.imageMounts.keepOpen(mount.imageId, record.id);
  }
}

/** Undoes {@link mountShared}; safe to call twice. What other containers use stays. */
export async function unmountShared(context: ContainerContext, record: ContainerRecord): Promise<void> {
  for (const mount of record.mounts) {
    if (mount.type === 'image') await context.imageMounts.close(mount.imageId, record.id);
    if (mount.type !== 'volume') continue;
    await context.volumes.close(mount.volume, record.id);
    context.events.emit('volume', 'unmount', mount.volume, { container: record.id, driver: 'local' });
  }
  if (record.host.ipcMode === 'shareable') await removeHostMount(sharedMemory(context, record));
}

/** Bytes of the /dev/shm that the supervisor mounts for this container alone; 0: it has none of its own. */
export function ownSharedMemory({ host }: ContainerRecord): number {
  return host.ipcMode === 'private' ? host.shmSize : 0;
}

/** The host folder that becomes the container's /dev/shm; undefined: there is none. */
export function sharedMemoryOf(context: ContainerContext, record: ContainerRecord): string | undefined {
  const { ipcMode } = record.host;
  switch (ipcMode) {
    case 'none':
      return undefined;
    case 'host':
      return '/dev/shm';
    case 'private':
      return `${containerDirectory(context, record.id)}/shm`;
    case 'shareable':
      return sharedMemory(context, record);
    default:
      return sharedMemoryOf(context, donorOf(context, ipcMode.slice('container:'.length)));
  }
}

/** The container whose IPC namespace is joined. Throws `conflict` in Docker's words when it runs, but keeps it to itself. */
function donorOf(context: ContainerContext, reference: string): ContainerRecord {
  const donor = context.collection.find(reference);
  if (!isActive(donor.state)) {
    throw conflict(`failed to join IPC namespace: container ${donor.id} is not running`);
  }
  if (donor.host.ipcMode === 'private' || donor.host.ipcMode === 'none') {
    throw conflict(
      `failed to join IPC namespace: container ${donor.id}: non-shareable IPC (hint: use IpcMode:shareable for the donor container)`,
    );
  }
  return donor;
}

function sharedMemory({ parts }: ContainerContext, { id }: ContainerRecord): string {
  return `${parts.settings.execRoot}/shm/${id}`;
}
