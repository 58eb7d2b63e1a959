import type { Stats } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { systemErrorCode } from '../../base/index.ts';

/** What a tree of files takes. A file with several names in it counts once. */
export interface TreeSize {
  readonly files: number;
  /** Bytes in its files, as `ls` shows them. */
  readonly content: number;
  /** Bytes that it has on the disk, folders included, as `du` counts them. */
  readonly allocated: number;
}

/** Files that are asked for at the same time. */
const PARALLEL = 64;

/** Measures a file or a tree on one file system. What is not there, or goes meanwhile, counts nothing. */
export async function measureTree(path: string, signal?: AbortSignal): Promise<TreeSize> {
  const size = { files: 0, content: 0, allocated: 0 };
  for await (const { stats } of filesBelow(path, signal)) {
    size.allocated += allocated(stats);
    if (stats.isDirectory()) continue;
    size.files += 1;
    size.content += stats.size;
  }
  return size;
}

export interface FoundFile {
  readonly path: string;
  readonly stats: Stats;
}

/** The path itself and all that is below it on its file system, folders before what is in them; each inode once. */
export async function* filesBelow(path: string, signal?: AbortSignal): AsyncGenerator<FoundFile> {
  const top = await unlessGone(lstat(path));
  if (top === undefined) return;
  const linked = new Set<number>();
  const waiting: FoundFile[] = [{ path, stats: top }];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    signal?.throwIfAborted();
    yield next;
    if (!next.stats.isDirectory()) continue;
    for (const found of await inFolder(next.path)) {
      const { dev, ino, nlink } = found.stats;
      if (dev !== top.dev) continue;
      if (found.stats.isDirectory()) waiting.push(found);
      else if (nlink === 1 || !linked.has(ino)) {
        if (nlink > 1) linked.add(ino);
        yield found;
      }
    }
  }
}

/** Bytes on the disk: st_blocks counts units of 512, whatever the file system's blocks are (stat(2)). */
export function allocated({ blocks }: Stats): number {
  return blocks * 512;
}

async function inFolder(folder: string): Promise<FoundFile[]> {
  const names = (await unlessGone(readdir(folder))) ?? [];
  const found: FoundFile[] = [];
  for (let at = 0; at < names.length; at += PARALLEL) {
    const paths = names.slice(at, at + PARALLEL).map((name) => join(folder, name));
    const some = await Promise.all(
      paths.map(async (path) => ({ path, stats: await unlessGone(lstat(path)) })),
    );
    for (const { path, stats } of some) if (stats !== undefined) found.push({ path, stats });
  }
  return found;
}

async function unlessGone<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    const code = systemErrorCode(error);
    if (code !== 'ENOENT' && code !== 'ENOTDIR') throw error;
    return undefined;
  }
}
