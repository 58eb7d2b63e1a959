import type { Readable } from 'node:stream';
import type { DiffId } from '../base/index.ts';
import type { UnpackedLayer } from './unpack/unpack-layer.ts';

/** EROFS image files, or plain folders for kernels that cannot mount those. */
export type LayerFormatName = 'erofs' | 'folder';

/** How layers are kept on disk. */
export interface LayerFormat extends AsyncDisposable {
  readonly name: LayerFormatName;
  /**
   * Unpacks a tar (gzip, zstd or plain) durably to a path that does not exist yet. Throws `invalid` for a broken or
   * hostile tar and for a wrong diff ID; the caller removes what is at the path then.
   */
  unpack(job: UnpackLayerJob): Promise<UnpackedLayer>;
}

export interface UnpackLayerJob {
  /** A file's path, or a stream. */
  readonly input: string | Readable;
  readonly destination: string;
  /** Undefined where any content is right. */
  readonly expected: DiffId | undefined;
  readonly signal: AbortSignal;
  /** Bytes of input so far. */
  readonly onProgress: (bytes: number) => void;
}

/**
 * Makes the tree of a layer in an empty folder, durably, with owners, times, xattrs and devices: what Node cannot do. The
 * entries file is a tar whose files' contents lie in the contents file (see `folder/entries.ts`).
 */
export type PlaceTree = (layer: {
  readonly directory: string;
  readonly contentsPath: string;
  readonly entriesPath: string;
  readonly signal: AbortSignal;
}) => Promise<void>;
