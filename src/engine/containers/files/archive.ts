import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { invalid, notFound, notImplemented } from '../../../base/index.ts';
import { type FileStat, resolveUser, unpackInto } from '../../../runtime/index.ts';
import { plainTar } from '../../plain-tar.ts';
import { readAccounts } from '../accounts.ts';
import { type ContainerRecord, isActive } from '../container.ts';
import { type ContainerContext, emit } from '../context.ts';
import { checkWritable, type OpenPlace, openPlace, openRoot } from './open.ts';
import { type ContainerPath, followLinks, parseContainerPath } from './paths.ts';

/** What is at a path of a container. */
export interface PathFacts {
  /** The last component; "." for what is in a folder. */
  readonly name: string;
  readonly stat: FileStat;
  /** Where a symlink leads in the end, as an absolute path of the container; else "". */
  readonly linkTarget: string;
}

/** Tells what is at a path; throws `not-found`. */
export function statPath(
  context: ContainerContext,
  reference: string,
  text: string,
  signal: AbortSignal,
): Promise<PathFacts> {
  const wanted = parseContainerPath(text);
  return settled(context, reference, async (record) => {
    await using place = await openPlace(context, record, wanted.path, signal);
    return await factsOf(record, place, wanted, text); // before the place is closed
  });
}

/**
 * A tar of what is at a path; its names begin with the last component, or with "." when the path ends with "/.".
 * A stopped container cannot be started before the stream was read or destroyed.
 */
export async function readArchive(
  context: ContainerContext,
  reference: string,
  text: string,
  signal: AbortSignal,
): Promise<{ readonly facts: PathFacts; readonly archive: Readable }> {
  const wanted = parseContainerPath(text);
  const opened = Promise.withResolvers<{ facts: PathFacts; archive: Readable }>();
  settled(context, reference, async (record) => {
    await using place = await openPlace(context, record, wanted.path, signal);
    const facts = await factsOf(record, place, wanted, text);
    const source = wanted.isFolder ? await followLinks(place.worker, place.path) : place.path;
    const archive = await place.worker.pack(source, { as: wanted.name, signal });
    emit(context, record, 'archive-path');
    opened.resolve({ facts, archive });
    await untilClosed(archive);
  }).catch(opened.reject);
  return opened.promise;
}

/**
 * Unpacks a tar (plain, gzip or zstd) into a folder of a container. `asUser` gives all to the container's user.
 * A folder never takes the place of a file. Throws `not-found` without the folder, `invalid` when it is none.
 */
export function writeArchive(
  context: ContainerContext,
  reference: string,
  text: string,
  tar: Readable,
  options: { readonly asUser: boolean; readonly signal: AbortSignal },
): Promise<void> {
  const wanted = parseContainerPath(text);
  return settled(context, reference, async (record) => {
    await using place = await openPlace(context, record, wanted.path, options.signal);
    const stat = await place.worker.stat(place.path, { follow: true });
    if (stat === undefined) throw missingFile(record, text);
    if (stat.type !== 'directory') throw invalid('extraction point is not a directory');
    const folder = await followLinks(place.worker, place.path);
    checkWritable(record, isActive(record.state) ? folder : wanted.path);
    await unpackAt(context, place, folder, await plainTar(tar), {
      owner: options.asUser ? await userOf(context, record, place, options.signal) : undefined,
      signal: options.signal,
    });
    emit(context, record, 'extract-to-dir');
  });
}

function unpackAt(
  { parts }: ContainerContext,
  { worker, hostFolder }: OpenPlace,
  folder: string,
  tar: Readable,
  { owner, signal }: { owner: { uid: number; gid: number } | undefined; signal: AbortSignal },
): Promise<void> {
  if (hostFolder === undefined)
    return worker.unpack(folder, tar, owner === undefined ? { signal } : { owner, signal });
  if (owner !== undefined) {
    throw notImplemented(
      "giving files to the container's user in a volume of a stopped container is not there yet",
      {
        hint: 'Start the container first, or leave out --archive',
      },
    );
  }
  return unpackInto(parts.settings.nativeDirectory, `${hostFolder}${folder}`, tar, signal);
}

/** Runs `work` while a stopped container stays stopped; a running one is not held up. */
export function settled<T>(
  context: ContainerContext,
  reference: string,
  work: (record: ContainerRecord) => Promise<T>,
): Promise<T> {
  const { collection } = context;
  const record = collection.findContainer(reference);
  if (isActive(record.state)) return work(record);
  return collection.exclusively(record.id, () => work(collection.find(record.id)));
}

async function factsOf(
  record: ContainerRecord,
  { worker, path }: OpenPlace,
  wanted: ContainerPath,
  text: string,
): Promise<PathFacts> {
  const stat = await worker.stat(path, { follow: wanted.isFolder });
  if (stat === undefined) throw missingFile(record, text);
  if (wanted.isFolder && stat.type !== 'directory') throw invalid(`${text} is not a directory`);
  const linkTarget = stat.type === 'symlink' ? await followLinks(worker, path) : '';
  return { name: wanted.name, stat, linkTarget };
}

function missingFile({ name }: ContainerRecord, path: string) {
  return notFound(`Could not find the file ${path} in container ${name}`);
}

async function userOf(
  context: ContainerContext,
  record: ContainerRecord,
  { worker, hostFolder }: OpenPlace,
  signal: AbortSignal,
): Promise<{ uid: number; gid: number } | undefined> {
  if (record.config.user === '') return undefined;
  await using own = hostFolder === undefined ? undefined : await openRoot(context, record, { signal });
  const { uid, gid } = resolveUser(record.config.user, await readAccounts(own ?? worker));
  return { uid, gid };
}

/** Resolves when a stream is read to its end or destroyed. */
export async function untilClosed(stream: Readable): Promise<void> {
  if (stream.closed) return;
  stream.once('error', () => {}); // its reader is told; here it only matters that it is over
  await once(stream, 'close').catch(() => {});
}
