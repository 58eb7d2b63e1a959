import { posix } from 'node:path';
import { archiveIn } from './archive.ts';
import type { BuildContext } from './context.ts';
import { type ContextSelection, type ContextSource, pathWithin } from './context-sources.ts';
import {
  type CopyStep,
  type CopyTarget,
  isFolderDestination,
  type Owner,
  resolveOwner,
} from './copy-step.ts';

const ROOT: Owner = { uid: 0, gid: 0 };

/** Copies from the context into a mounted root: a folder's content, a file under its name or the destination's. */
export async function copyFromContext(
  step: CopyStep,
  { sources }: ContextSelection,
  context: BuildContext,
  target: CopyTarget,
): Promise<void> {
  const { files, signal } = target;
  const isFolder = await isFolderDestination(target, sources.length);
  const owner = (await resolveOwner(step, files)) ?? ROOT;
  for (const source of sources) {
    if (source.entry.type === 'directory') {
      await copyFolder(step, source, context, target, owner);
      continue;
    }
    const archive = step.unpack ? await archiveIn(step, context, source.entry) : undefined;
    if (archive !== undefined) {
      await files.makeDirectory(target.destination, owner);
      await files.unpack(target.destination, archive, { signal });
      continue;
    }
    const [folder, name] = placeOf(target.destination, isFolder, source.name);
    await files.makeDirectory(folder, owner);
    await files.unpack(folder, context.tar([{ entry: source.entry, name }], step.mode), { owner, signal });
  }
}

async function copyFolder(
  step: CopyStep,
  { entry }: ContextSource,
  context: BuildContext,
  { files, destination, signal }: CopyTarget,
  owner: Owner,
): Promise<void> {
  await files.makeDirectory(destination, owner);
  const placements = context
    .below(entry.path)
    .map((child) => ({ entry: child, name: pathWithin(entry.path, child) }));
  await files.unpack(destination, context.tar(placements, step.mode), { owner, signal });
}

/** The folder and the name that a file goes to. */
export function placeOf(
  destination: string,
  isFolder: boolean,
  name: string,
): [folder: string, name: string] {
  if (isFolder) return [destination, name];
  return [posix.dirname(destination), posix.basename(destination)];
}
