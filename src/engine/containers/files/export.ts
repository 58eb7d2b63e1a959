import type { Readable } from 'node:stream';
import { type ContainerContext, emit } from '../context.ts';
import { settled, untilClosed } from './archive.ts';
import { openRoot } from './open.ts';

/**
 * A tar of a container's whole file system; what is mounted in it is left out. A stopped container cannot be started
 * before the stream was read or destroyed.
 */
export async function exportContainer(
  context: ContainerContext,
  reference: string,
  signal: AbortSignal,
): Promise<Readable> {
  const opened = Promise.withResolvers<Readable>();
  settled(context, reference, async (record) => {
    await using root = await openRoot(context, record, { mounts: false, signal });
    const archive = await root.pack('/', { as: '', signal });
    emit(context, record, 'export');
    opened.resolve(archive);
    await untilClosed(archive);
  }).catch(opened.reject);
  return opened.promise;
}
