import { canonicalName, conflict, familiarName, parseReference, shortId } from '../../base/index.ts';
import type { Launcher } from '../../runtime/index.ts';
import type { Image, ImageStore } from '../../store/index.ts';
import type { ContainerRecord } from '../containers/container.ts';
import { isActive } from '../containers/container.ts';
import type { Events } from '../events.ts';
import { findImage } from './resolve.ts';

/** One line of the answer to an image's deletion. */
export type Removal = { readonly untagged: string } | { readonly deleted: string };

/**
 * Docker's rules: a name is untagged; the image goes with its last name. By id all names go, if there is one
 * repository only or `force`. Throws `conflict` while a container needs it.
 */
export async function removeImage(
  parts: {
    images: ImageStore;
    events: Events;
    containers: readonly ContainerRecord[];
    /** Lets go of a deleted layer, whose space is free only then. */
    launcher: Pick<Launcher, 'unmountLayer'>;
  },
  text: string,
  force: boolean,
): Promise<Removal[]> {
  const { images, events } = parts;
  const image = await findImage(images, text);
  const byId = image.id.replace('sha256:', '').startsWith(text.replace('sha256:', ''));
  const names = byId ? image.tags : [canonicalName(parseReference(text))];
  if (byId && !force && image.tags.length > 1) {
    throw conflict(
      `conflict: unable to delete ${shortId(image.id)} (must be forced) - image is referenced in multiple repositories`,
    );
  }
  const isLast = image.tags.every((tag) => names.includes(tag));
  if (isLast) refuseWhileUsed(image, text, parts.containers, force);

  const removals: Removal[] = [];
  for (const name of names) {
    if (!(await images.untag(name))) continue;
    removals.push({ untagged: familiarName(parseReference(name)) });
    events.emit('image', 'untag', image.id, { name: familiarName(parseReference(name)) });
  }
  if (!isLast) return removals;
  for (const digest of image.repoDigests)
    removals.push({ untagged: digest.replace(/^docker\.io\/(library\/)?/, '') });
  const { deletedLayers } = await images.delete(image.id);
  const gone = new Set(deletedLayers);
  for (const { diffId, path } of image.layers) if (gone.has(diffId)) await parts.launcher.unmountLayer(path);
  events.emit('image', 'delete', image.id, { name: image.id });
  return [...removals, { deleted: image.id }, ...deletedLayers.map((deleted) => ({ deleted }))];
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
