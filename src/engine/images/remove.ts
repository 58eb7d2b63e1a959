import {
  canonicalName,
  conflict,
  crashPoint,
  type DiffId,
  type Digest,
  familiar,
  familiarRepository,
  isBerthError,
  parseReference,
  shortId,
} from '../../base/index.ts';
import type { Image, ImageStore } from '../../store/index.ts';
import { type ContainerRecord, isActive } from '../containers/container.ts';
import type { Events } from '../events.ts';
import { findImage } from './resolve.ts';

/** One line of the answer to an image's deletion. */
export type Removal = { readonly untagged: string } | { readonly deleted: string };

export type UsersOf = (id: Digest) => readonly ContainerRecord[];

export interface RemovalParts {
  readonly images: ImageStore;
  readonly events: Events;
  /** The containers that were made from an image, or mount it. */
  readonly usersOf: UsersOf;
}

/**
 * Docker's rules: a name is untagged; the image goes with its last name. By id all names go, if there is one
 * repository only or `force`. Throws `conflict` while a container needs it. Its layers are the container's root, so with
 * `force` it loses its names, and stays without one as long as there is the container.
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
  const users = parts.usersOf(image.id);
  const refusal = byId ? refusalById(image, users, force) : refusalByName(image, text, users, force);
  if (refusal !== undefined) throw refusal;
  return users.length > 0 ? untag(parts, image, names) : (await deleteImage(parts, image)).removals;
}

/** Takes names away, and with the last tag of a repository the digests that it is known by there. */
async function untag(
  { images, events }: RemovalParts,
  image: Image,
  names: readonly string[],
): Promise<Removal[]> {
  const left = new Set(image.tags.filter((tag) => !names.includes(tag)).map(repositoryOf));
  const gone = new Set(names.map(repositoryOf).filter((repository) => !left.has(repository)));
  const digests = image.repoDigests.filter((name) => gone.has(repositoryOf(name)));
  const removals: Removal[] = [];
  for (const name of new Set([...names, ...digests])) {
    if (!(await images.untag(name))) continue;
    crashPoint('rmi.untagged');
    removals.push({ untagged: familiar(name) });
    events.emit('image', 'untag', image.id, { name: familiar(name) });
  }
  return removals;
}

function repositoryOf(name: string): string {
  return familiarRepository(parseReference(name));
}

/** Deletes an image with all its names, in one durable step. */
export async function deleteImage(
  { images, events, usersOf }: RemovalParts,
  image: Image,
): Promise<{ readonly removals: Removal[]; readonly deletedLayers: readonly DiffId[] }> {
  const isUsed = () => usersOf(image.id).length > 0;
  const { deletedLayers } = await images.delete(image.id, { isUsed }).catch((error: unknown) => {
    if (!isBerthError(error, 'conflict')) throw error;
    const user = isUsed() ? 'container' : 'build, push or copy';
    throw conflict(`conflict: unable to delete ${shortId(image.id)} - a ${user} is using its layers`, {
      hint: 'Wait for it to end, and try again',
      cause: error,
    });
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

function refusalByName(image: Image, text: string, [user]: readonly ContainerRecord[], force: boolean) {
  if (user === undefined || force) return undefined;
  return conflict(
    `conflict: unable to delete ${text} (must be forced) - container ${shortId(user.id)} is using its referenced image ${shortId(image.id)}`,
    removalHint(user),
  );
}

function refusalById({ id }: Image, users: readonly ContainerRecord[], force: boolean) {
  const running = users.find(({ state }) => isActive(state));
  if (running !== undefined) {
    return conflict(
      `conflict: unable to delete ${shortId(id)} (cannot be forced) - image is being used by running container ${shortId(running.id)}`,
    );
  }
  const [stopped] = users;
  if (stopped === undefined || force) return undefined;
  return conflict(
    `conflict: unable to delete ${shortId(id)} (must be forced) - image is being used by stopped container ${shortId(stopped.id)}`,
    removalHint(stopped),
  );
}

function removalHint({ name, state }: ContainerRecord) {
  return { hint: `Remove the container first: berth rm ${isActive(state) ? '-f ' : ''}${name}` };
}
