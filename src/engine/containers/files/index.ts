import type { Readable } from 'node:stream';
import type { ContainerContext } from '../context.ts';
import { type PathFacts, readArchive, statPath, writeArchive } from './archive.ts';

export type { PathFacts } from './archive.ts';

/** The files of containers, running or not. Paths are those of the container, from its root. */
export class ContainerFiles {
  readonly #context: ContainerContext;

  constructor(context: ContainerContext) {
    this.#context = context;
  }

  stat(reference: string, path: string): Promise<PathFacts> {
    return statPath(this.#context, reference, path);
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
}
