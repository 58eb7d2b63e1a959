import { posix } from 'node:path';
import type { BuildContext } from './context.ts';
import { type ContextEntry, cleanPath } from './context-entry.ts';
import type { CopyStep } from './copy-step.ts';
import { notThereYet, wrong } from './dockerfile/wrong.ts';
import { isPattern, patternExpression } from './path-pattern.ts';

/** One thing that a COPY takes. */
export interface ContextSource {
  /** What it is called when it goes into a folder; a symlink's own name. */
  readonly name: string;
  /** What is copied: for a symlink, what it leads to. */
  readonly entry: ContextEntry;
}

/** What a COPY of the context takes. */
export interface ContextSelection {
  readonly sources: readonly ContextSource[];
  /** Content, names, modes: what the step's key depends on. Times are left out. */
  readonly fingerprint: readonly unknown[];
}

/**
 * Finds a step's sources in the context and has their contents sent. Throws `invalid` naming a source that is not there, and why:
 * `ignored` tells what .dockerignore excludes.
 */
export async function selectSources(
  step: CopyStep,
  context: BuildContext,
  ignored: (path: string) => boolean,
): Promise<ContextSelection> {
  const found = () => step.sources.flatMap((source) => sourcesOf(step, context, source, ignored));
  await context.load(found().map(({ entry }) => entry));
  const sources = found(); // with digests now
  const fingerprint = sources.map(({ name, entry }) => [
    name,
    describe(entry, ''),
    entry.type === 'directory' ? context.below(entry.path).map((child) => describe(child, entry.path)) : [],
  ]);
  return { sources, fingerprint };
}

/** A child's path within the folder that is copied. */
export function pathWithin(folder: string, { path }: ContextEntry): string {
  return folder === '' ? path : path.slice(folder.length + 1);
}

function describe(entry: ContextEntry, folder: string) {
  const { type, mode, digest, linkTarget } = entry;
  return [folder === '' ? '' : pathWithin(folder, entry), type, mode, digest, linkTarget];
}

function sourcesOf(
  step: CopyStep,
  context: BuildContext,
  source: string,
  ignored: (path: string) => boolean,
): ContextSource[] {
  if (URL_SOURCE.test(source)) throw remoteSource(step, source);
  const path = sourcePath(step, source);
  const found = pathsOf(context, path);
  if (found === undefined) throw wrong(step, `${keywordOf(step)} failed: syntax error in pattern: ${source}`);
  if (found.length === 0) return refuseMissing(step, source, !isPattern(path) && ignored(path));
  return found.flatMap((taken) => {
    const entry = context.follow(taken);
    return entry === undefined ? [] : [{ name: posix.basename(taken), entry }];
  });
}

/** The paths that a source names in the context, by itself or as a pattern; undefined: it is a pattern that means nothing. */
function pathsOf(context: BuildContext, path: string): string[] | undefined {
  if (context.follow(path) !== undefined) return [path];
  if (!isPattern(path)) return [];
  const expression = patternExpression(path);
  return (
    expression &&
    context
      .paths()
      .filter((candidate) => expression.test(candidate))
      .sort()
  );
}

/** What a source is likely to take, before the step that says so is reached; nothing where it is wrong. */
export function likelyEntries(context: BuildContext, source: string): ContextEntry[] {
  if (URL_SOURCE.test(source)) return [];
  try {
    return (pathsOf(context, cleanPath(source)) ?? []).flatMap((path) => context.follow(path) ?? []);
  } catch {
    return [];
  }
}

const URL_SOURCE = /^(https?|git|ssh):\/\/|^git@/;

function refuseMissing(step: CopyStep, source: string, isIgnored: boolean): never {
  if (isIgnored) {
    throw wrong(
      step,
      `${keywordOf(step)} failed: ${source}: the .dockerignore file excludes it`,
      `Add the line !${source} at the end of .dockerignore`,
    );
  }
  throw wrong(step, `${keywordOf(step)} failed: ${source}: no such file or directory in the build context`);
}

function remoteSource(step: CopyStep, source: string): Error {
  if (!step.unpack) return wrong(step, `source can't be a URL for COPY: ${source}`, 'Fetch it in a RUN step');
  return notThereYet(step, `ADD of a URL (${source}) is`, 'Fetch it in a RUN step');
}

function sourcePath(step: CopyStep, source: string): string {
  try {
    return cleanPath(source);
  } catch {
    throw wrong(
      step,
      `${keywordOf(step)} failed: forbidden path outside the build context: ${source}`,
      'Move the file into the context, or build with a folder further up as the context',
    );
  }
}

export function keywordOf({ unpack }: CopyStep): 'ADD' | 'COPY' {
  return unpack ? 'ADD' : 'COPY';
}
