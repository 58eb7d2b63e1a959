import type { Header } from 'tar-stream';
import { invalid, notImplemented } from '../base/index.ts';

/** One thing in a build context. */
export interface ContextEntry {
  /** Without a leading or trailing slash; "" is the context itself. */
  readonly path: string;
  readonly type: 'file' | 'directory' | 'symlink';
  readonly mode: number;
  readonly mtime: Date;
  readonly size: number;
  readonly linkTarget: string | undefined;
  /** sha256 of a file's content, in hex. */
  readonly digest: string;
  /** Where a file's content lies in the spool. */
  readonly offset: number;
}

/**
 * The entry of a tar member whose content begins at `offset`; undefined for what no COPY takes (sockets, devices).
 * A hard link is the file that it links to: `earlier` finds it.
 */
export function entryOf(
  header: Header,
  offset: number,
  earlier: (path: string) => ContextEntry | undefined,
): ContextEntry | undefined {
  const path = cleanPath(header.name);
  if (header.type === 'link') {
    const target = earlier(cleanPath(header.linkname ?? ''));
    if (target === undefined)
      throw invalid(`the hard link ${header.name} comes before what it links to: ${header.linkname}`);
    return { ...target, path };
  }
  const type = header.type === 'contiguous-file' ? 'file' : header.type;
  if (type === 'fifo') throw notImplemented(`named pipes in build contexts are not there yet: ${path}`);
  if (type !== 'file' && type !== 'directory' && type !== 'symlink') return undefined;
  return {
    path,
    type,
    mode: (header.mode ?? 0o644) & 0o7777,
    mtime: header.mtime ?? new Date(0),
    size: type === 'file' ? (header.size ?? 0) : 0,
    linkTarget: type === 'symlink' ? (header.linkname ?? '') : undefined,
    digest: '',
    offset,
  };
}

/** A folder that an archive has things in, but no entry for. */
export function impliedFolder(path: string, mtime: Date): ContextEntry {
  return {
    path,
    type: 'directory',
    mode: 0o755,
    mtime,
    size: 0,
    linkTarget: undefined,
    digest: '',
    offset: 0,
  };
}

/** The path without ".", empty parts and slashes at its ends; throws `invalid` when it leads out. */
export function cleanPath(path: string): string {
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '' || part === '.') continue;
    if (part !== '..') parts.push(part);
    else if (parts.pop() === undefined) throw invalid(`the path leads out of the build context: ${path}`);
  }
  return parts.join('/');
}
