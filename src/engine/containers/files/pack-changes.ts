import type { Readable } from 'node:stream';
import { type ContainerRecord, isMachine } from '../container.ts';
import { type ContainerContext, containerDirectory } from '../context.ts';
import { settled, untilClosed } from './archive.ts';
import { openChanges } from './open.ts';

/** What a container has changed in its image's files, as a layer tar (`Launcher.packChanges`). */
export async function packChanges(
  context: ContainerContext,
  record: ContainerRecord,
  signal: AbortSignal,
): Promise<Readable> {
  if (!isMachine(record)) {
    return context.parts.launcher.packChanges(`${containerDirectory(context, record.id)}/upper`, signal);
  }
  const opened = Promise.withResolvers<Readable>();
  settled(context, record.id, async (current) => {
    await using changes = await openChanges(context, current, signal);
    const tar = await changes.packChanges('/', { signal });
    opened.resolve(tar);
    await untilClosed(tar);
  }).catch(opened.reject);
  return opened.promise;
}
