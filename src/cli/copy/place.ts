import { posix } from 'node:path';
import { invalid } from '../../base/index.ts';

/** What stands on one side of a copy. */
export type Place =
  | { readonly kind: 'container'; readonly container: string; readonly path: string }
  /** "-" is a stream. */
  | { readonly kind: 'local'; readonly path: string };

export type ContainerPlace = Extract<Place, { kind: 'container' }>;

export interface CopyOptions {
  /** Keep owners. */
  readonly archive: boolean;
  /** Copy what the source leads to when it is a symlink. */
  readonly followLink: boolean;
}

/** `CONTAINER:PATH`, or a local path; one with a colon begins with "/" or ".", as in Docker. */
export function parsePlace(text: string): Place {
  if (text === '') throw invalid('source and destination can not be empty');
  const colon = text.indexOf(':');
  if (colon < 0 || text.startsWith('/') || text.startsWith('.')) return { kind: 'local', path: text };
  const container = text.slice(0, colon);
  if (container === '') throw invalid(`the container is missing before ":" in ${text}`);
  return { kind: 'container', container, path: text.slice(colon + 1) };
}

/** What is known of a source or destination that may have to be made. */
export interface Found {
  readonly exists: boolean;
  readonly isFolder: boolean;
}

/** Where a copy goes: what the source's name becomes, and in which folder. */
export interface Landing {
  readonly folder: string;
  /** "." puts what the source has into the folder itself. */
  readonly name: string;
}

/**
 * Docker's rules for the destination (docker container cp): into a folder that exists, under the source's name; else
 * by the destination's own name, in its folder. Throws `invalid` for a folder onto a file, and for a file onto a
 * folder that does not exist.
 */
export function landing(
  source: { readonly name: string; readonly isFolder: boolean },
  destination: string,
  found: Found,
): Landing {
  if (found.exists && found.isFolder) return { folder: destination, name: source.name };
  if (found.exists && source.isFolder) throw invalid('cannot copy directory');
  if (assertsFolder(destination) && !source.isFolder) {
    throw invalid(found.exists ? 'not a directory' : 'no such directory');
  }
  const path = posix.resolve('/', destination);
  return { folder: posix.dirname(path), name: posix.basename(path) };
}

/** Whether a path says by its end that it is a folder. */
export function assertsFolder(path: string): boolean {
  return /(^|\/)\.?$/.test(path);
}

/** The name that a source gives to its copy: "." for what is in a folder. */
export function nameOf(path: string): string {
  return /(^|\/)\.$/.test(path) ? '.' : posix.basename(posix.normalize(path)) || '.';
}
