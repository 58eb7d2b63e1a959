import { posix } from 'node:path';
import { nearestWord } from '../../../base/index.ts';
import type { FileFacts, FileView } from './file-view.ts';

/** The command that could not be executed, and where it was looked for. */
export interface ProgramQuery {
  readonly program: string;
  readonly env: readonly string[];
  /** Where a relative path begins. */
  readonly workingDir: string;
  /** As the user wrote it: "", a name or a number. */
  readonly user: string;
  /** What it was to run on. */
  readonly on: ProgramHost;
}

/** This host's kernel, or a virtual machine's. */
export interface ProgramHost {
  /** As images name it. */
  readonly architecture: string;
  readonly isMachine: boolean;
}

/** Where a path leads when all its symlinks are followed inside the container. */
export type Resolved =
  | { readonly kind: 'found'; readonly path: string; readonly facts: FileFacts }
  /** `path` does not exist; `link` is the symlink whose target that is, or is above. */
  | { readonly kind: 'missing'; readonly path: string; readonly link: Link | undefined }
  | { readonly kind: 'not-a-folder'; readonly path: string }
  | { readonly kind: 'loop'; readonly path: string };

export interface Link {
  readonly path: string;
  readonly target: string;
}

/** As many as the kernel follows (path_resolution(7)). */
const MOST_LINKS = 40;

/** Follows a path through the view, so that a link never leaves it. */
export async function resolveIn(view: FileView, path: string): Promise<Resolved> {
  let rest = components(path);
  let at = '/';
  let link: (Link & { readonly behind: number }) | undefined;
  let facts = await view.lstat('/');
  for (let links = 0; rest.length > 0; ) {
    const [name = '', ...others] = rest;
    rest = others;
    if (name === '..') {
      at = posix.dirname(at);
      continue;
    }
    const next = posix.join(at, name);
    facts = await view.lstat(next);
    if (facts === undefined) {
      const isTarget = link !== undefined && rest.length >= link.behind;
      return { kind: 'missing', path: next, link: isTarget ? link : undefined };
    }
    if (facts.linkTarget !== undefined) {
      links += 1;
      if (links > MOST_LINKS) return { kind: 'loop', path: next };
      link = { path: next, target: facts.linkTarget, behind: rest.length };
      if (facts.linkTarget.startsWith('/')) at = '/';
      rest = [...components(facts.linkTarget), ...rest];
      continue;
    }
    if (rest.length > 0 && facts.type !== 'directory') return { kind: 'not-a-folder', path: next };
    at = next;
  }
  facts = await view.lstat(at);
  return facts === undefined
    ? { kind: 'missing', path: at, link: undefined }
    : { kind: 'found', path: at, facts };
}

function components(path: string): string[] {
  return path.split('/').filter((name) => name !== '' && name !== '.');
}

/** The paths that the name of a program may mean, in order. */
export function candidates({ program, env, workingDir }: ProgramQuery): string[] {
  if (program.includes('/')) return [posix.resolve('/', workingDir, program)];
  return pathFolders(env).map((folder) => posix.join(folder, program));
}

/** The folders of $PATH. */
export function pathFolders(env: readonly string[]): string[] {
  const path = env.findLast((entry) => entry.startsWith('PATH='))?.slice('PATH='.length) ?? '';
  return path.split(':').map((folder) => posix.resolve('/', folder));
}

/** Folders of programs that a $PATH may lack. */
const USUAL_FOLDERS = [
  '/usr/local/sbin',
  '/usr/local/bin',
  '/usr/sbin',
  '/usr/bin',
  '/sbin',
  '/bin',
  '/app',
  '/',
];

/** A file of the same name elsewhere: in the working directory, or in a usual folder. */
export async function findElsewhere(view: FileView, query: ProgramQuery): Promise<string | undefined> {
  const name = posix.basename(query.program);
  if (name === '') return undefined;
  const tried = new Set(candidates(query));
  for (const folder of [posix.resolve('/', query.workingDir), ...USUAL_FOLDERS]) {
    const path = posix.join(folder, name);
    if (tried.has(path)) continue;
    const found = await resolveIn(view, path);
    if (found.kind === 'found' && found.facts.type === 'file') return path;
  }
  return undefined;
}

/** A name beside the one that was meant, in the folders where it was looked for. */
export async function findNear(view: FileView, query: ProgramQuery): Promise<string | undefined> {
  const name = posix.basename(query.program);
  const folders = query.program.includes('/')
    ? candidates(query).map((path) => posix.dirname(path))
    : pathFolders(query.env);
  const names = new Map<string, string>();
  for (const folder of folders) {
    const resolved = await resolveIn(view, folder);
    if (resolved.kind !== 'found' || resolved.facts.type !== 'directory') continue;
    for (const entry of await view.list(resolved.path)) {
      if (!names.has(entry)) names.set(entry, posix.join(folder, entry));
    }
  }
  const near = nearestWord(name, [...names.keys()]);
  if (near === undefined) return undefined;
  return query.program.includes('/') ? names.get(near) : near;
}
