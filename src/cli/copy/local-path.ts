import { stat } from 'node:fs/promises';
import { invalid, systemErrorCode } from '../../base/index.ts';
import type { Found } from './place.ts';

/** What a local path leads to, through symlinks. */
export async function findLocal(path: string): Promise<Found> {
  try {
    return { exists: true, isFolder: (await stat(path)).isDirectory() };
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return { exists: false, isFolder: false };
    throw error;
  }
}

/** Throws `invalid`, in Docker's words, unless a folder to write into is there. */
export async function requireFolder(path: string): Promise<void> {
  const { isFolder } = await findLocal(path);
  if (!isFolder) throw invalid(`invalid output path: directory "${path}" does not exist`);
}
