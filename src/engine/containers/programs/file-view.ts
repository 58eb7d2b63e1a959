import { constants } from 'node:fs';
import { lstat, open, readdir, readlink } from 'node:fs/promises';
import { posix } from 'node:path';
import { systemErrorCode } from '../../../base/index.ts';
import type { FileWorker } from '../../../runtime/index.ts';
import type { ContainerMount } from '../container.ts';
import { mountAt } from '../files/paths.ts';

/** What is told of a file; a symlink is told of itself. */
export interface FileFacts {
  readonly type: 'file' | 'directory' | 'symlink' | 'other';
  /** Permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly linkTarget: string | undefined;
}

/** A container's files, to look at. No path given here has a symlink before its last component. */
export interface FileView {
  lstat(path: string): Promise<FileFacts | undefined>;
  /** The first bytes of a regular file. */
  head(path: string, bytes: number): Promise<Buffer>;
  list(path: string): Promise<readonly string[]>;
}

/** The files of a root; the mounts of a container that does not run are looked at where they come from on the host. */
export function viewOf(worker: FileWorker, mounts: readonly ContainerMount[] = []): FileView {
  const inRoot = rootView(worker);
  const at = (path: string) => {
    const mount = mountAt(mounts, path);
    if (mount === undefined) return { view: inRoot, path };
    if (mount.type === 'tmpfs') return { view: path === mount.target ? inRoot : emptyView, path };
    return { view: hostView, path: posix.join(mount.source, path.slice(mount.target.length)) };
  };
  return {
    lstat: (path) => at(path).view.lstat(at(path).path),
    head: (path, bytes) => at(path).view.head(at(path).path, bytes),
    list: (path) => at(path).view.list(at(path).path),
  };
}

function rootView(worker: FileWorker): FileView {
  return {
    async lstat(path) {
      const stat = await worker.stat(path);
      if (stat === undefined) return undefined;
      const { type, mode, uid, gid, linkTarget } = stat;
      const known = type === 'file' || type === 'directory' || type === 'symlink' ? type : 'other';
      return { type: known, mode, uid, gid, linkTarget };
    },
    head: (path, bytes) => worker.readHead(path, bytes),
    list: (path) => worker.list(path),
  };
}

const emptyView: FileView = {
  lstat: () => Promise.resolve(undefined),
  head: () => Promise.resolve(Buffer.alloc(0)),
  list: () => Promise.resolve([]),
};

const hostView: FileView = {
  async lstat(path) {
    try {
      const stats = await lstat(path);
      return {
        type: stats.isFile()
          ? 'file'
          : stats.isDirectory()
            ? 'directory'
            : stats.isSymbolicLink()
              ? 'symlink'
              : 'other',
        mode: stats.mode & 0o7777,
        uid: stats.uid,
        gid: stats.gid,
        linkTarget: stats.isSymbolicLink() ? await readlink(path) : undefined,
      };
    } catch (error) {
      if (['ENOENT', 'ENOTDIR'].includes(systemErrorCode(error) ?? '')) return undefined;
      throw error;
    }
  },
  async head(path, bytes) {
    // What was a file a moment ago may be a link or a pipe by now: neither is followed nor waited for.
    const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
    await using file = await open(path, flags);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(bytes), 0, bytes, 0);
    return buffer.subarray(0, bytesRead);
  },
  list: (path) => readdir(path),
};
