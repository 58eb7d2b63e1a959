import { mkdir, rm } from 'node:fs/promises';
import type { LayerFormat, PlaceTree, UnpackLayerJob } from './layer-format.ts';
import { LayerWorkers } from './unpack/layer-workers.ts';
import type { UnpackedLayer } from './unpack/unpack-layer.ts';

/**
 * Layers as plain folders, for kernels without EROFS. Worker threads write the contents and the names beside each other, so
 * that a tar means the same as in an image; both become a tree when the tar has proved whole.
 */
export class FolderFormat implements LayerFormat {
  readonly name = 'folder';
  readonly #workers = new LayerWorkers();
  readonly #placeTree: PlaceTree;

  constructor(placeTree: PlaceTree) {
    this.#placeTree = placeTree;
  }

  async unpack({ destination, ...job }: UnpackLayerJob): Promise<UnpackedLayer> {
    const contentsPath = `${destination}.contents`;
    const entriesPath = `${destination}.entries`;
    try {
      const output = { format: 'folder', contentsPath, entriesPath } as const;
      const unpacked = await this.#workers.run({ ...job, output });
      await mkdir(destination, { mode: 0o755 });
      await this.#placeTree({ directory: destination, contentsPath, entriesPath, signal: job.signal });
      return unpacked;
    } finally {
      await Promise.all([rm(contentsPath, { force: true }), rm(entriesPath, { force: true })]);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#workers[Symbol.asyncDispose]();
  }
}
