import { invalid } from '../../base/index.ts';
import { printableName } from '../tar/entry.ts';
import type { ByteString, Timestamp } from '../tar/header.ts';

/** What an inode of a layer has besides its kind. */
export interface Attributes {
  mode: number;
  uid: number;
  gid: number;
  mtime: Timestamp;
  xattrs: ReadonlyMap<ByteString, Buffer>;
}

export interface DirectoryNode extends Attributes {
  readonly kind: 'directory';
  readonly children: Map<ByteString, Node>;
  /** Names that the layer hides in lower ones and does not have itself (while a tar is read: perhaps has itself). */
  whiteouts: Set<ByteString> | undefined;
  isOpaque: boolean;
}

export interface FileNode extends Attributes {
  readonly kind: 'file';
  readonly size: number;
  /** First block of the content in what {@link ContentOutput} wrote; 0 when empty. */
  readonly block: number;
}

export interface SymlinkNode extends Attributes {
  readonly kind: 'symlink';
  readonly target: ByteString;
}

export interface DeviceNode extends Attributes {
  readonly kind: 'character' | 'block';
  readonly major: number;
  readonly minor: number;
}

export interface FifoNode extends Attributes {
  readonly kind: 'fifo';
}

/** A hard link whose target had not come yet. */
export interface PendingLinkNode {
  readonly kind: 'pending-link';
  readonly target: ByteString;
}

/** A hard link is a second name for the same node. */
export type InodeNode = DirectoryNode | FileNode | SymlinkNode | DeviceNode | FifoNode;
export type Node = InodeNode | PendingLinkNode;

/** PATH_MAX and NAME_MAX of Linux: what is longer could not be reached. */
const MAX_PATH = 4095;
const MAX_NAME = 255;

/** As in the kernel's path walk. */
const MAX_SYMLINKS = 40;

/** The attributes of folders that a tar uses without having them. */
const IMPLIED: Attributes = {
  mode: 0o755,
  uid: 0,
  gid: 0,
  mtime: { seconds: 0, nanoseconds: 0 },
  xattrs: new Map(),
};

export function newDirectory(attributes: Attributes = IMPLIED): DirectoryNode {
  return { ...attributes, kind: 'directory', children: new Map(), whiteouts: undefined, isOpaque: false };
}

/** Where an entry goes: a name in a folder, or the root itself. */
export interface Place {
  readonly parent: DirectoryNode;
  /** Empty for the root. */
  readonly name: ByteString;
}

/** The files of one layer, in memory: metadata only. */
export class LayerTree {
  readonly root = newDirectory();
  /** How many folders were made because a name needed them. */
  impliedFolders = 0;

  /**
   * Where a tar's entry of that name goes. Missing folders on the way are made. Symlinks on the way are followed
   * inside the layer, as they would be inside a container; throws `invalid` for names and links that lead out of it.
   */
  place(path: ByteString): Place {
    const names = splitPath(path);
    const name = names.pop();
    if (name === undefined) return { parent: this.root, name: '' };
    return { parent: this.#walk(names), name };
  }

  /** The node of that name, or undefined; the last component is not followed. */
  find(path: ByteString): Node | undefined {
    const names = splitPath(path);
    const name = names.pop();
    if (name === undefined) return this.root;
    return this.#walk(names, 'existing')?.children.get(name);
  }

  #walk(names: readonly ByteString[]): DirectoryNode;
  #walk(names: readonly ByteString[], mode: 'existing'): DirectoryNode | undefined;
  #walk(names: readonly ByteString[], mode: 'create' | 'existing' = 'create'): DirectoryNode | undefined {
    const path: DirectoryNode[] = [this.root];
    const todo = names.toReversed();
    let directory = this.root;
    let followed = 0;
    for (let name = todo.pop(); name !== undefined; name = todo.pop()) {
      if (name === '..') {
        path.pop();
        const parent = path.at(-1);
        if (parent === undefined) throw invalid('a symbolic link in its path leads out of the layer');
        directory = parent;
        continue;
      }
      const child = directory.children.get(name);
      if (child?.kind === 'symlink') {
        followed += 1;
        if (followed > MAX_SYMLINKS) throw invalid('too many symbolic links in its path');
        if (child.target.startsWith('/')) {
          path.length = 1;
          directory = this.root;
        }
        todo.push(...components(child.target).reverse());
        continue;
      }
      if (child?.kind !== 'directory' && mode === 'existing') return undefined;
      checkName(name);
      directory = child?.kind === 'directory' ? child : this.#implyFolder(directory, name);
      path.push(directory);
    }
    return directory;
  }

  #implyFolder(parent: DirectoryNode, name: ByteString): DirectoryNode {
    const folder = newDirectory();
    parent.children.set(name, folder);
    this.impliedFolders += 1;
    return folder;
  }
}

/** Checks a name of a tar and splits it; empty for the root. */
function splitPath(path: ByteString): ByteString[] {
  if (path.length > MAX_PATH) throw invalid(`its name has ${path.length} bytes (at most ${MAX_PATH})`);
  if (path === '') throw invalid('its name is empty');
  if (path.includes('\0')) throw invalid('its name has a NUL byte');
  const names = components(path);
  if (path.startsWith('/') && names.length > 0) throw invalid('its name is absolute');
  if (names.includes('..')) throw invalid('its name leads out of the layer ("..")');
  for (const name of names) checkName(name);
  return names;
}

/** Throws `invalid` for what cannot be the name of a file in a folder. */
export function checkName(name: ByteString): void {
  if (name === '' || name === '.' || name === '..') throw invalid(`"${name}" cannot be a file's name`);
  if (name.length > MAX_NAME) {
    throw invalid(
      `the name "${printableName(name.slice(0, 32))}…" has ${name.length} bytes (at most ${MAX_NAME})`,
    );
  }
}

/** Throws `invalid` for what the kernel would not take as a symlink's target. */
export function checkSymlinkTarget(target: ByteString): void {
  if (target === '' || target.length > MAX_PATH || target.includes('\0')) {
    throw invalid(`a symbolic link's target has ${target.length} bytes (1 to ${MAX_PATH}, no NUL)`);
  }
}

/** Throws `invalid` for device numbers beyond the kernel's 12 and 20 bits. */
export function checkDevice({ major, minor }: { readonly major: number; readonly minor: number }): void {
  if (major < 0 || major > 0xfff || minor < 0 || minor > 0xf_ffff) {
    throw invalid(`the device ${major}:${minor} has numbers that Linux does not have`);
  }
}

function components(path: ByteString): ByteString[] {
  return path.split('/').filter((name) => name !== '' && name !== '.');
}
