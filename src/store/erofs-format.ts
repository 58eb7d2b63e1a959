import type { LayerFormat, UnpackLayerJob } from './layer-format.ts';
import { LayerWorkers } from './unpack/layer-workers.ts';
import type { UnpackedLayer } from './unpack/unpack-layer.ts';

/** Layers as EROFS image files, written by worker threads. */
export class ErofsFormat implements LayerFormat {
  readonly name = 'erofs';
  readonly #workers = new LayerWorkers();

  unpack({ destination, ...job }: UnpackLayerJob): Promise<UnpackedLayer> {
    return this.#workers.run({ ...job, output: { format: 'erofs', imagePath: destination } });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#workers[Symbol.asyncDispose]();
  }
}
