import { join } from 'node:path';
import { type Digest, digestHex } from '../base/index.ts';

/** The paths within a data root; the whole layout is drawn in `open-store.ts`. */
export class DataRoot {
  readonly path: string;
  readonly blobs: string;
  readonly layers: string;
  readonly temporary: string;
  readonly database: string;

  constructor(path: string) {
    this.path = path;
    this.blobs = join(path, 'blobs', 'sha256');
    this.layers = join(path, 'layers');
    this.temporary = join(path, 'tmp');
    this.database = join(path, 'metadata.db');
  }

  blob(digest: Digest): string {
    return join(this.blobs, digestHex(digest));
  }
}
