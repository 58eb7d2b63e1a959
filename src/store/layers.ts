import { randomBytes } from 'node:crypto';
import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import {
  conflict,
  crashPoint,
  type DiffId,
  type Digest,
  digestHex,
  KeyedLock,
  parseDiffId,
  parseDigest,
  syncDirectory,
} from '../base/index.ts';
import type { ContentStore, Layer, LayerCopy, LayerStore, LayerWriteOptions } from './contract.ts';
import type { DataRoot } from './data-root.ts';
import { type Database, integer, optionalText, type Row, text } from './database.ts';
import type { LayerFormat } from './layer-format.ts';
import type { Leases } from './leases.ts';
import { readTwice } from './tee.ts';
import type { Trash } from './trash.ts';
import type { UnpackedLayer } from './unpack/unpack-layer.ts';

/** What {@link UnpackedLayerStore} is made of. */
export interface LayerStoreParts {
  readonly root: DataRoot;
  readonly database: Database;
  readonly content: ContentStore;
  readonly format: LayerFormat;
  readonly leases: Leases;
  readonly trash: Trash;
  /** Ends all unpacking. */
  readonly signal: AbortSignal;
}

/**
 * Unpacked layers: a file or folder each, and a record that says it is whole. The record comes after the rename and goes
 * before the deletion, so a file without a record is rubbish.
 */
export class UnpackedLayerStore implements LayerStore {
  readonly #parts: LayerStoreParts;
  /** Per diff ID: unpacking a blob, publishing, deleting. */
  readonly #lock = new KeyedLock();

  constructor(parts: LayerStoreParts) {
    this.#parts = parts;
  }

  get formatName() {
    return this.#parts.format.name;
  }

  async get(diffId: DiffId): Promise<Layer | undefined> {
    return this.find(diffId);
  }

  /** As {@link get}, at once. */
  find(diffId: DiffId): Layer | undefined {
    const row = this.#parts.database.get(
      'SELECT diff_id, format, size, fingerprint FROM layers WHERE diff_id = ?',
      diffId,
    );
    return row === undefined ? undefined : layerFrom(row, this.#parts.root);
  }

  async unpackBlob(blob: Digest, expected: DiffId, options: LayerWriteOptions = {}): Promise<Layer> {
    return this.#lock.run(expected, async () => {
      this.#parts.leases.take(expected);
      const existing = this.find(expected);
      if (existing !== undefined) return existing;
      const input = await this.#parts.content.path(blob);
      return this.#withTemporary(async (temporary) => {
        const unpacked = await this.#unpack(input, temporary, expected, options);
        return this.#publish(unpacked, temporary);
      });
    });
  }

  async receiveBlob(
    blob: { readonly digest: Digest; readonly size: number },
    expected: DiffId,
    source: Readable,
    options: LayerWriteOptions = {},
  ): Promise<Layer> {
    return this.#lock.run(expected, async () => {
      this.#parts.leases.take(expected);
      const existing = this.find(expected);
      if (existing !== undefined) {
        await this.#parts.content.write(blob, source, options.signal);
        return existing;
      }
      const hadBlob = await this.#parts.content.has(blob.digest);
      try {
        return await this.#receive(blob, expected, source, options);
      } catch (error) {
        if (!hadBlob) await this.#parts.content.delete(blob.digest);
        throw error;
      }
    });
  }

  async unpackTar(tar: Readable, options: LayerWriteOptions = {}): Promise<Layer> {
    return this.#withTemporary(async (temporary) => {
      const unpacked = await this.#unpack(tar, temporary, undefined, options);
      return this.#lock.run(unpacked.diffId, async () => {
        this.#parts.leases.take(unpacked.diffId);
        return this.find(unpacked.diffId) ?? this.#publish(unpacked, temporary);
      });
    });
  }

  list(): readonly Layer[] {
    const rows = this.#parts.database.all('SELECT diff_id, format, size, fingerprint FROM layers');
    return rows.map((row) => layerFrom(row, this.#parts.root));
  }

  async unpackCopy(
    source: Digest | Readable,
    expected: DiffId,
    options: LayerWriteOptions = {},
  ): Promise<LayerCopy> {
    const input = typeof source === 'string' ? await this.#parts.content.path(source) : source;
    const path = this.#temporaryPath();
    await using made = new AsyncDisposableStack();
    made.defer(() => rm(path, { recursive: true, force: true }));
    const unpacked = await this.#unpack(input, path, expected, options);
    const kept = made.move();
    return {
      path,
      replace: () => this.#lock.run(expected, () => this.#replace(unpacked, path)),
      [Symbol.asyncDispose]: () => kept.disposeAsync(),
    };
  }

  setFingerprint(diffId: DiffId, fingerprint: Digest): void {
    this.#parts.database.run('UPDATE layers SET fingerprint = ? WHERE diff_id = ?', fingerprint, diffId);
  }

  async delete(diffId: DiffId): Promise<void> {
    const isInUse = () =>
      this.#parts.database.get('SELECT 1 FROM image_layers WHERE diff_id = ?', diffId) !== undefined;
    await this.#lock.run(diffId, async () => {
      const layer = this.find(diffId);
      if (layer === undefined) return;
      if (isInUse()) throw conflict(`layer ${diffId} belongs to an image`);
      this.forget(diffId);
      await rm(layer.path, { recursive: true, force: true });
    });
  }

  /** Deletes the record: from then on the layer is not there, and its file is rubbish (see {@link discard}). */
  forget(diffId: DiffId): void {
    this.#parts.database.run('DELETE FROM layers WHERE diff_id = ?', diffId);
  }

  /** Takes a forgotten layer's file away, unless the layer was unpacked again meanwhile. Its space is free soon after. */
  async discard({ diffId, path }: Layer): Promise<void> {
    await this.#lock.run(diffId, async () => {
      if (this.find(diffId) === undefined) await this.#parts.trash.discard(path);
    });
  }

  #receive(
    blob: { readonly digest: Digest; readonly size: number },
    expected: DiffId,
    source: Readable,
    options: LayerWriteOptions,
  ): Promise<Layer> {
    return this.#withTemporary(async (temporary) => {
      const [unpacked] = await readTwice(
        source,
        options.signal,
        (copy, signal) => this.#unpack(copy, temporary, expected, { ...options, signal }),
        (copy, signal) => this.#parts.content.write(blob, copy, signal),
      );
      return this.#publish(unpacked, temporary);
    });
  }

  #unpack(
    input: string | Readable,
    destination: string,
    expected: DiffId | undefined,
    { signal, onProgress = () => {} }: LayerWriteOptions,
  ): Promise<UnpackedLayer> {
    const signals = signal === undefined ? [this.#parts.signal] : [this.#parts.signal, signal];
    return this.#parts.format.unpack({
      input,
      destination,
      expected,
      onProgress,
      signal: AbortSignal.any(signals),
    });
  }

  async #publish({ diffId, size }: UnpackedLayer, temporary: string): Promise<Layer> {
    const { root, format, database } = this.#parts;
    const path = join(root.layers, layerFileName(diffId, format.name));
    await rm(path, { recursive: true, force: true }); // without a record, it is a leftover
    await rename(temporary, path);
    await syncDirectory(root.layers);
    crashPoint('layer.renamed');
    database.run('INSERT INTO layers (diff_id, format, size) VALUES (?, ?, ?)', diffId, format.name, size);
    crashPoint('layer.recorded');
    return { diffId, path, size, fingerprint: undefined };
  }

  async #replace(unpacked: UnpackedLayer, temporary: string): Promise<void> {
    const { root, format, database, trash } = this.#parts;
    const existing = this.find(unpacked.diffId);
    if (existing === undefined) return;
    const path = join(root.layers, layerFileName(unpacked.diffId, format.name));
    // A folder cannot be replaced in one step: after a crash here its images are forgotten, as those of any lost layer.
    if (format.name === 'folder' && existing.path === path) await trash.discard(path);
    await rename(temporary, path);
    await syncDirectory(root.layers);
    const change = 'UPDATE layers SET format = ?, size = ?, fingerprint = NULL WHERE diff_id = ?';
    database.run(change, format.name, unpacked.size, unpacked.diffId);
    if (existing.path !== path) await trash.discard(existing.path);
    void trash.empty();
  }

  #temporaryPath(): string {
    return join(this.#parts.root.temporary, `layer-${randomBytes(8).toString('hex')}`);
  }

  async #withTemporary<T>(work: (path: string) => Promise<T>): Promise<T> {
    const temporary = this.#temporaryPath();
    try {
      return await work(temporary);
    } finally {
      await rm(temporary, { recursive: true, force: true });
    }
  }
}

/** A layer from its row: diff_id, format, size and fingerprint. */
export function layerFrom(row: Row, root: DataRoot): Layer {
  const diffId = parseDiffId(text(row, 'diff_id'));
  const fingerprint = optionalText(row, 'fingerprint');
  return {
    diffId,
    path: join(root.layers, layerFileName(diffId, text(row, 'format'))),
    size: integer(row, 'size'),
    fingerprint: fingerprint === undefined ? undefined : parseDigest(fingerprint),
  };
}

/** A layer's file name by the format that its record names: a data root may hold both. */
export function layerFileName(diffId: DiffId, format: string): string {
  const hex = digestHex(diffId);
  return format === 'erofs' ? `${hex}.erofs` : hex;
}
