import type { Readable } from 'node:stream';
import type { ContainerContext } from '../context.ts';
import { type PathFacts, readArchive, statPath, writeArchive } from './archive.ts';
import { type FileChange, listChanges } from './changes.ts';
import { exportContainer } from './export.ts';

export type { PathFacts } from './archive.ts';
export type { FileChange } from './changes.ts';

/** The files of containers, running or not. Paths are those of the container, from its root. */
export class ContainerFiles {
  readonly #context: ContainerContext;

  constructor(context: ContainerContext) {
    this.#context = context;
  }

  stat(reference: string, path: string, signal: AbortSignal): Promise<PathFacts> {
    return statPath(this.#context, reference, path, signal);
  }

  read(
    reference: string,
    path: string,
    signal: AbortSignal,
  ): Promise<{ readonly facts: PathFacts; readonly archive: Readable }> {
    return readArchive(this.#context, reference, path, signal);
  }

  write(
    reference: string,
    path: string,
    tar: Readable,
    options: { readonly asUser: boolean; readonly signal: AbortSignal },
  ): Promise<void> {
    return writeArchive(this.#context, reference, path, tar, options);
  }

  /** What differs from the image, by path. */
  changes(reference: string, signal: AbortSignal): Promise<FileChange[]> {
    return listChanges(this.#context, reference, signal);
  }

  /** The whole file system as a tar, without volumes. */
  export(reference: string, signal: AbortSignal): Promise<Readable> {
    return exportContainer(this.#context, reference, signal);
  }
}
