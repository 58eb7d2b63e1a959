import type { Readable } from 'node:stream';
import { internal, isBerthError } from '../base/index.ts';
import type { Transport } from './transport.ts';
import type { FileChange, PathStat } from './types/index.ts';

/** Copying files out of containers and into them. A `reference` is a name, an id, or the unique start of one. */
export class ContainerFiles {
  readonly #transport: Transport;
  readonly #root: string;

  /** `root` is the API's path above what has the files. */
  constructor(transport: Transport, root = '/containers') {
    this.#transport = transport;
    this.#root = root;
  }

  /** What is at a path; undefined where there is nothing, or no such container. */
  async stat(
    reference: string,
    path: string,
    options: { signal?: AbortSignal } = {},
  ): Promise<PathStat | undefined> {
    try {
      const call = { method: 'HEAD', path: this.#pathOf(reference, 'archive'), query: { path } } as const;
      const response = await this.#transport.stream({ ...call, ...options });
      response.resume();
      return pathStat(response.headers['x-docker-container-path-stat']);
    } catch (error) {
      if (isBerthError(error, 'not-found')) return undefined;
      throw error;
    }
  }

  /** A tar of what is at a path; its names begin with the path's last component. */
  async read(
    reference: string,
    path: string,
    options: { signal?: AbortSignal } = {},
  ): Promise<{ readonly stat: PathStat; readonly archive: Readable }> {
    const call = { method: 'GET', path: this.#pathOf(reference, 'archive'), query: { path } } as const;
    const archive = await this.#transport.stream({ ...call, ...options });
    return { stat: pathStat(archive.headers['x-docker-container-path-stat']), archive };
  }

  /** Unpacks a tar into an existing folder; `copyUIDGID` gives all to the container's user. A folder never replaces a file. */
  async write(
    reference: string,
    path: string,
    tar: Readable,
    options: { copyUIDGID?: boolean; signal?: AbortSignal } = {},
  ): Promise<void> {
    const { copyUIDGID, signal } = options;
    await this.#transport.run({
      method: 'PUT',
      path: this.#pathOf(reference, 'archive'),
      query: { path, noOverwriteDirNonDir: true, copyUIDGID },
      headers: { 'Content-Type': 'application/x-tar' },
      body: tar,
      signal,
    });
  }

  /** What differs from the image, by path. */
  async changes(reference: string, options: { signal?: AbortSignal } = {}): Promise<readonly FileChange[]> {
    const call = { method: 'GET', path: this.#pathOf(reference, 'changes') } as const;
    return (await this.#transport.json<readonly FileChange[] | null>({ ...call, ...options })) ?? [];
  }

  /** The container's whole file system as a tar, without its volumes. */
  export(reference: string, options: { signal?: AbortSignal } = {}): Promise<Readable> {
    return this.#transport.stream({ method: 'GET', path: this.#pathOf(reference, 'export'), ...options });
  }

  #pathOf(reference: string, action: string): string {
    return `${this.#root}/${encodeURIComponent(reference)}/${action}`;
  }
}

function pathStat(header: string | string[] | undefined): PathStat {
  if (typeof header !== 'string') throw internal("the engine's answer does not tell what is at the path");
  return JSON.parse(Buffer.from(header, 'base64').toString()) as PathStat;
}
