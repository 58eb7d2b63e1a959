import { posix } from 'node:path';
import { invalid, notImplemented } from '../../base/index.ts';
import type { ContextEntry } from '../context-entry.ts';
import type { Stat } from './protocol/fsutil_pb.ts';

/** Bits of Go's os.FileMode beside the permissions. */
const GO = {
  directory: 1 << 31,
  symlink: 1 << 27,
  device: 1 << 26,
  namedPipe: 1 << 25,
  socket: 1 << 24,
  setuid: 1 << 23,
  setgid: 1 << 22,
  characterDevice: 1 << 21,
  sticky: 1 << 20,
} as const;

const has = (mode: number, bit: number) => (mode & bit) !== 0;

/**
 * What a client says that its folder has, checked as it comes: what builds take is found by these paths, so each has to be clean,
 * new, and in a folder that came before.
 */
export class FolderEntries {
  readonly entries: ContextEntry[] = [];
  /** Hard links, with what they link to. */
  readonly hardLinks = new Map<string, string>();
  /** The number of each file in the protocol. */
  readonly numbers = new Map<string, number>();
  readonly #types = new Map<string, ContextEntry['type']>([['', 'directory']]);
  #count = 0;

  /** Takes the next one. Throws `invalid` for what no folder can have. */
  add(stat: Stat): void {
    const number = this.#count;
    this.#count += 1;
    const { mode } = stat;
    const path = this.#checkPath(stat.path);
    const type = typeOf(path, mode);
    if (type === undefined) return; // sockets and devices: no COPY takes them
    this.#types.set(path, type);
    const isHardLink = type === 'file' && stat.linkname !== '';
    if (isHardLink) this.hardLinks.set(path, this.#linkTarget(path, stat.linkname));
    if (type === 'file' && !isHardLink) this.numbers.set(path, number);
    this.entries.push({
      path,
      type,
      mode: permissions(mode),
      mtime: new Date(Number(stat.modTime / 1_000_000n)),
      size: type === 'file' ? sizeOf(path, stat.size) : 0,
      linkTarget: type === 'symlink' ? stat.linkname : undefined,
      digest: '',
      offset: 0,
    });
  }

  #checkPath(path: string): string {
    if (path.includes('\0') || !isClean(path))
      throw invalid(`the client sent a path that is not inside its folder: ${JSON.stringify(path)}`);
    const parent = path.includes('/') ? posix.dirname(path) : '';
    const type = this.#types.get(parent);
    if (type !== 'directory')
      throw invalid(
        `the client sent ${path} below ${parent}, which ${type === undefined ? 'did not come before' : `is a ${type}`}`,
      );
    if (this.#types.has(path)) throw invalid(`the client sent ${path} twice`);
    return path;
  }

  /** The file itself where that is a link, too. */
  #linkTarget(path: string, target: string): string {
    const file = this.hardLinks.get(target) ?? target;
    if (this.#types.get(file) === 'file' && file !== path) return file;
    throw invalid(`the client sent the hard link ${path} before what it links to: ${JSON.stringify(target)}`);
  }
}

/** Whether no part of it is empty, "." or "..". */
function isClean(path: string): boolean {
  return path.split('/').every((part) => !['', '.', '..'].includes(part));
}

function typeOf(path: string, mode: number): ContextEntry['type'] | undefined {
  if (has(mode, GO.directory)) return 'directory';
  if (has(mode, GO.symlink)) return 'symlink';
  if (has(mode, GO.namedPipe))
    throw notImplemented(`named pipes in build contexts are not there yet: ${path}`);
  if (has(mode, GO.device | GO.socket | GO.characterDevice)) return undefined;
  return 'file';
}

function permissions(mode: number): number {
  const special = (has(mode, GO.setuid) ? 0o4000 : 0) | (has(mode, GO.setgid) ? 0o2000 : 0);
  return (mode & 0o777) | special | (has(mode, GO.sticky) ? 0o1000 : 0);
}

function sizeOf(path: string, size: bigint): number {
  if (size >= 0n && size <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(size);
  throw invalid(`the client sent a size that no file has: ${path}, ${size} bytes`);
}
