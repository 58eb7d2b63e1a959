import type { Readable } from 'node:stream';
import { type Digest, isBerthError, parseDiffId } from '../../../base/index.ts';
import type { Holding, Store } from '../../../store/index.ts';

/** Smaller blobs are unpacked as fast when it is known what they are. */
const WORTH_IT = 1024 * 1024;
/** Each has a file open. */
const MOST = 64;

/**
 * Stores the blobs of an archive, and unpacks the large ones already while the archive arrives: which of them are layers is
 * often said last. What is no layer, or cannot be unpacked, is left to who knows what it should be.
 */
export class UnpackAhead implements AsyncDisposable {
  readonly #store: Store;
  readonly #holding: Holding;
  /** The blobs that images here have: their layers are unpacked. */
  readonly #known: ReadonlySet<Digest>;
  readonly #stop = new AbortController();
  readonly #running = new Set<Promise<void>>();

  private constructor(store: Store, holding: Holding, known: ReadonlySet<Digest>) {
    this.#store = store;
    this.#holding = holding;
    this.#known = known;
  }

  static async open(store: Store, holding: Holding): Promise<UnpackAhead> {
    const images = await store.images.list({ hidden: true });
    const blobs = images.flatMap(({ layerBlobs }) => layerBlobs);
    return new UnpackAhead(store, holding, new Set(blobs.flatMap((blob) => blob?.digest ?? [])));
  }

  /** Stores a blob as {@link ContentStore.write} does; resolves when it is stored, maybe before it is unpacked. */
  async write(
    blob: { readonly digest: Digest; readonly size: number },
    source: Readable,
    { signal, onUnpack }: { signal: AbortSignal; onUnpack: (bytes: number) => void },
  ): Promise<void> {
    const { content } = this.#store;
    if (!(await this.#isWorthIt(blob))) return content.write(blob, source, signal);
    const { stored, copy } = content.writeFollowed(blob, source, signal);
    const unpacking = this.#unpack(copy, signal, onUnpack).finally(() => this.#running.delete(unpacking));
    unpacking.catch(() => {}); // told by settled()
    this.#running.add(unpacking);
    await stored;
  }

  /** Resolves when nothing is unpacked any more; throws what has kept something from being unpacked that may be sound. */
  async settled(): Promise<void> {
    await Promise.all(this.#running);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await Promise.allSettled(this.#running);
  }

  async #isWorthIt({ digest, size }: { readonly digest: Digest; readonly size: number }): Promise<boolean> {
    if (size < WORTH_IT || this.#running.size >= MOST || this.#known.has(digest)) return false;
    return (await this.#store.layers.get(parseDiffId(digest))) === undefined; // of a layer that is not compressed
  }

  async #unpack(copy: Readable, signal: AbortSignal, onProgress: (bytes: number) => void): Promise<void> {
    try {
      const either = AbortSignal.any([signal, this.#stop.signal]);
      const { diffId } = await this.#store.layers.unpackTar(copy, { signal: either, onProgress });
      this.#holding.add(diffId);
    } catch (error) {
      if (!isBerthError(error, 'invalid') && !isBerthError(error, 'not-implemented')) throw error;
    } finally {
      copy.destroy();
    }
  }
}
