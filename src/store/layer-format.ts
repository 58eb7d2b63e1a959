import type { Readable } from 'node:stream';
import type { DiffId } from '../base/index.ts';
import type { UnpackedLayer } from './unpack/unpack-layer.ts';

/** How layers are kept on disk. */
export interface LayerFormat extends AsyncDisposable {
  readonly name: 'erofs' | 'folder';
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
