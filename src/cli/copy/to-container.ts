import { lstat, realpath, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { invalid, notFound, systemErrorCode } from '../../base/index.ts';
import type { EngineClient, PathStat } from '../../client/index.ts';
import { packLocal } from '../../client/index.ts';
import {
  assertsFolder,
  type ContainerPlace,
  type CopyOptions,
  type Found,
  landing,
  nameOf,
} from './place.ts';

type Files = EngineClient['files'];

/** Copies a local file or folder, or the tar on standard input ("-"), into a container. */
export async function copyToContainer(
  files: Files,
  source: string,
  to: ContainerPlace,
  { archive, followLink }: CopyOptions,
): Promise<void> {
  const { path, found } = await findDestination(files, to);
  const options = { copyUIDGID: archive };
  if (source === '-') {
    if (found.exists && !found.isFolder) {
      throw invalid(`destination "${to.container}:${to.path}" must be a directory`);
    }
    await files.write(to.container, path, process.stdin, options);
    return;
  }
  const local = await findSource(source, followLink);
  const { folder, name } = landing(
    { name: nameOf(resolvedName(source)), isFolder: local.isFolder },
    path,
    found,
  );
  await files.write(to.container, folder, packLocal(local.path, name), options);
}

/** ".." and "/" have no name of their own. */
function resolvedName(source: string): string {
  return /(^|\/)\.$/.test(source) ? source : resolve(source);
}

async function findSource(source: string, followLink: boolean): Promise<{ path: string; isFolder: boolean }> {
  try {
    const follows = followLink || assertsFolder(source);
    const isFolder = (await (follows ? stat(source) : lstat(source))).isDirectory();
    if (assertsFolder(source) && !isFolder) throw invalid(`${source} is not a directory`);
    return { path: follows ? await realpath(source) : resolve(source), isFolder };
  } catch (error) {
    if (systemErrorCode(error) !== 'ENOENT') throw error;
    throw notFound(`lstat ${source}: no such file or directory`, { cause: error });
  }
}

const FOLDER_BIT = 2 ** 31;
const LINK_BIT = 2 ** 27;

/** A symlink at the destination's end is followed: the copy goes where it leads. */
async function findDestination(files: Files, to: ContainerPlace): Promise<{ path: string; found: Found }> {
  const first = await files.stat(to.container, to.path);
  const isLink = first !== undefined && hasBit(first, LINK_BIT);
  const path = isLink ? first.linkTarget : to.path;
  const info = isLink ? await files.stat(to.container, path) : first;
  return {
    path,
    found: { exists: info !== undefined, isFolder: info !== undefined && hasBit(info, FOLDER_BIT) },
  };
}

/** Above 32 bits' sign, so not by `&`. */
function hasBit({ mode }: PathStat, bit: number): boolean {
  return Math.floor(mode / bit) % 2 === 1;
}
