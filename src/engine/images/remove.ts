import {
  canonicalName,
  conflict,
  crashPoint,
  type DiffId,
  familiar,
  isBerthError,
  parseReference,
  shortId,
} from '../../base/index.ts';
import type { Image, ImageStore } from '../../store/index.ts';
import type { ContainerRecord } from '../containers/container.ts';
import { isActive } from '../containers/container.ts';
import type { Events } from '../events.ts';
import { findImage } from './resolve.ts';

/** One line of the answer to an image's deletion. */
export type Removal = { readonly untagged: string } | { readonly deleted: string };

export interface RemovalParts {
  readonly images: ImageStore;
  readonly events: Events;
  readonly containers: readonly ContainerRecord[];
}

/**
 * Docker's rules: a name is untagged; the image goes with its last name. By id all names go, if there is one
 * repository only or `force`. Throws `conflict` while a container needs it.
 */
export async function removeImage(parts: RemovalParts, text: string, force: boolean): Promise<Removal[]> {
  const image = await findImage(parts.images, text);
  const byId = image.id.replace('sha256:', '').startsWith(text.replace('sha256:', ''));
  const names = byId ? image.tags : [canonicalName(parseReference(text))];
  if (byId && !force && image.tags.length > 1) {
    throw conflict(
      `conflict: unable to delete ${shortId(image.id)} (must be forced) - image is referenced in multiple repositories`,
    );
  }
  if (!image.tags.every((tag) => names.includes(tag))) return untag(parts, image, names);
  refuseWhileUsed(image, text, parts.containers, force);
  return (await deleteImage(parts, image)).removals;
}

async function untag(
  { images, events }: RemovalParts,
  image: Image,
  names: readonly string[],
): Promise<Removal[]> {
  const removals: Removal[] = [];
  for (const name of names) {
    if (!(await images.untag(name))) continue;
    crashPoint('rmi.untagged');
    removals.push({ untagged: familiar(name) });
    events.emit('image', 'untag', image.id, { name: familiar(name) });
  }
  return removals;
}

/** Deletes an image with all its names, in one durable step. */
export async function deleteImage(
  { images, events }: Pick<RemovalParts, 'images' | 'events'>,
  image: Image,
): Promise<{ readonly removals: Removal[]; readonly deletedLayers: readonly DiffId[] }> {
  const { deletedLayers } = await images.delete(image.id).catch((error: unknown) => {
    if (!isBerthError(error, 'conflict')) throw error;
    throw conflict(
      `conflict: unable to delete ${shortId(image.id)} - a build, push or copy is using its layers`,
      {
        hint: 'Wait for it to end, and try again',
        cause: error,
      },
    );
  });
  crashPoint('rmi.done');
  const names = [...image.tags, ...image.repoDigests].map(familiar);
  for (const tag of image.tags) events.emit('image', 'untag', image.id, { name: familiar(tag) });
  events.emit('image', 'delete', image.id, { name: image.id });
  const removals = [
    ...names.map((untagged) => ({ untagged })),
    ...[image.id, ...deletedLayers].map((deleted) => ({ deleted })),
  ];
  return { removals, deletedLayers };
}

function refuseWhileUsed(
  image: Image,
  text: string,
  containers: readonly ContainerRecord[],
  force: boolean,
): void {
  const users = containers.filter(({ imageId }) => imageId === image.id);
  const running = users.find(({ state }) => isActive(state));
  if (running !== undefined) {
    throw conflict(
      `conflict: unable to delete ${text} (cannot be forced) - container ${shortId(running.id)} is using its referenced image ${shortId(image.id)}`,
    );
  }
  // berth keeps an image while any container was made from it: its layers are the container's root.
  const [stopped] = users;
  if (stopped === undefined) return;
  throw conflict(
    `conflict: unable to remove repository reference "${text}" (${force ? 'cannot be' : 'must be'} forced) - container ${shortId(stopped.id)} is using its referenced image ${shortId(image.id)}`,
    { hint: `Remove the container first: berth rm ${stopped.name}` },
  );
}
