import { posix } from 'node:path';
import { invalid } from '../../../base/index.ts';
import type { FileWorker } from '../../../runtime/index.ts';
import type { ContainerMount } from '../container.ts';

/** A path of a container as a client gave it. */
export interface ContainerPath {
  /** Absolute and without ".." or a slash at its end. */
  readonly path: string;
  /** "/" or "/." stood at its end: it must be a folder, and a symlink there is followed. */
  readonly isFolder: boolean;
  /** What names in an archive of it begin with: its last component; "." for what is in a folder. */
  readonly name: string;
}

/** Reads a path of the API; relative ones begin at the root. Throws `invalid` for an empty one. */
export function parseContainerPath(text: string): ContainerPath {
  if (text === '') throw invalid('bad parameter: path cannot be empty');
  const path = posix.resolve('/', text);
  const isContent = /(^|\/)\.$/.test(text);
  const name = isContent && path !== '/' ? '.' : posix.basename(path) || '/';
  return { path, isFolder: isContent || text.endsWith('/'), name };
}

/** The mount that a path lies in: the one with the longest target. */
export function mountAt(mounts: readonly ContainerMount[], path: string): ContainerMount | undefined {
  const around = mounts.filter(({ target }) => isWithin(path, target));
  return around.toSorted((a, b) => b.target.length - a.target.length)[0];
}

function isWithin(path: string, folder: string): boolean {
  return `${path}/`.startsWith(folder.endsWith('/') ? folder : `${folder}/`);
}

/** As many as the kernel follows (path_resolution(7)). */
const MOST_LINKS = 40;

/** Where a path leads when every symlink in it is followed inside the root; what does not exist stays as it is. */
export async function followLinks(worker: FileWorker, path: string): Promise<string> {
  let rest = components(path);
  let done = '/';
  let links = 0;
  for (let name = rest.shift(); name !== undefined; name = rest.shift()) {
    const at = posix.join(done, name);
    const target = (await worker.stat(at))?.linkTarget;
    if (target === undefined) {
      done = at;
      continue;
    }
    links += 1;
    if (links > MOST_LINKS) throw invalid(`too many levels of symbolic links: ${path}`);
    if (target.startsWith('/')) done = '/';
    rest = [...components(target), ...rest];
  }
  return done;
}

function components(path: string): string[] {
  return path.split('/').filter((name) => name !== '' && name !== '.');
}
