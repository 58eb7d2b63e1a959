import { familiar } from '../../base/index.ts';
import type { Image } from '../../store/index.ts';
import type { Events } from '../events.ts';

/** Tells of an image's event with the attributes that dockerd gives it: the image's labels and a name. */
export function emitImageEvent(
  events: Events,
  action: string,
  actor: string,
  name: string,
  image: Image | undefined,
): void {
  events.emit('image', action, actor, { ...image?.config.config?.Labels, name });
}

/** Tells of an image that was made here: that it came to be, unless it was there before, and its names. */
export function announceImage(
  events: Events,
  image: Image,
  { isNew, tags }: { readonly isNew: boolean; readonly tags: readonly string[] },
): void {
  if (isNew) emitImageEvent(events, 'create', image.id, image.id, image);
  for (const tag of tags) emitImageEvent(events, 'tag', image.id, familiar(tag), image);
}
