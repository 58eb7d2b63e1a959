import type { Readable } from 'node:stream';
import { type ContainerRecord, isMachine } from '../container.ts';
import { type ContainerContext, containerDirectory } from '../context.ts';
import { openGuestChanges } from '../vm/guest.ts';
import { requireGuest } from './open.ts';

/** What a container has changed in its image's files, as a layer tar (`Launcher.packChanges`). */
export async function packChanges(
  context: ContainerContext,
  record: ContainerRecord,
  signal: AbortSignal,
): Promise<Readable> {
  if (!isMachine(record)) {
    return context.parts.launcher.packChanges(`${containerDirectory(context, record.id)}/upper`, signal);
  }
  requireGuest(record);
  const changes = await openGuestChanges(context, record);
  const tar = await changes.packChanges('/', { signal });
  tar.once('close', () => void changes[Symbol.asyncDispose]());
  return tar;
}
