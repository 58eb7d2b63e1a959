import { type DiffId, type Digest, internal, parseDiffId, parseDigest } from '../base/index.ts';
import type { Descriptor, ImageConfig, ImageRecord, Layer, NewImage } from './contract.ts';
import type { DataRoot } from './data-root.ts';
import { type Database, integer, optionalText, type Row, text } from './database.ts';
import { layerFrom } from './layers.ts';

/** The rows that belong to one image, and its layers. */
interface RowParts {
  readonly find: (diffId: string) => Layer;
  readonly layers: readonly Row[];
  readonly tags: readonly Row[];
  readonly digests: readonly Row[];
}

/** The rows about images in the metadata database: see the schema there. Synchronous. */
export class ImageRecords {
  readonly #database: Database;
  readonly #root: DataRoot;
  #known: { readonly changes: number; readonly records: readonly ImageRecord[] } | undefined;

  constructor(database: Database, root: DataRoot) {
    this.#database = database;
    this.#root = root;
  }

  has(id: Digest): boolean {
    return this.#database.get('SELECT 1 FROM images WHERE id = ?', id) !== undefined;
  }

  /** All, in no order; read anew only after a change. */
  all(): readonly ImageRecord[] {
    const changes = this.#database.changes();
    if (this.#known?.changes !== changes) this.#known = { changes, records: this.#read('', []) };
    return this.#known.records;
  }

  get(id: Digest): ImageRecord | undefined {
    return this.#read('WHERE image_id = ?', [id])[0];
  }

  withIdPrefix(hex: string): readonly Digest[] {
    const sql = 'SELECT id AS digest FROM images WHERE id >= ? AND id < ? LIMIT 2';
    return this.#digests(sql, `sha256:${hex}`, `sha256:${hex}g`);
  }

  /** The image that a name with tag or digest means; of several with one index's digest, the newest here. */
  named(name: string): Digest | undefined {
    const [byTag] = this.#digests('SELECT image_id AS digest FROM tags WHERE name = ?', name);
    if (byTag !== undefined) return byTag;
    const sql = 'SELECT image_id AS digest FROM repo_digests WHERE name = ? ORDER BY rowid DESC LIMIT 1';
    return this.#digests(sql, name)[0];
  }

  /**
   * Records an image, or adds what is new about one that is there (a hidden one stays so only if it is added as
   * hidden again). Returns the digests of a manifest and an index that are no longer the image's.
   */
  put(id: Digest, config: ImageConfig, image: NewImage): readonly Digest[] {
    const before = this.#manifestsOf(id);
    this.#putImage(id, image);
    for (const [position, diffId] of config.rootfs.diff_ids.entries()) {
      this.#putLayer(id, position, diffId, image.layerBlobs?.[position]);
    }
    for (const name of image.tags ?? []) this.#setTag(id, name);
    for (const name of image.repoDigests ?? []) {
      this.#database.run('DELETE FROM repo_digests WHERE name = ? AND image_id = ?', name, id);
      this.#database.run('INSERT INTO repo_digests (name, image_id) VALUES (?, ?)', name, id);
    }
    const after = this.#manifestsOf(id);
    return before.filter((digest) => !after.includes(digest));
  }

  /** Moves the name to the image, which is not hidden any more. */
  tag(id: Digest, name: string): void {
    this.#setTag(id, name);
    this.#database.run('UPDATE images SET hidden = 0 WHERE id = ?', id);
  }

  untag(name: string): boolean {
    const tags = this.#database.run('DELETE FROM tags WHERE name = ?', name);
    const digests = this.#database.run('DELETE FROM repo_digests WHERE name = ?', name);
    return tags + digests > 0;
  }

  delete(id: Digest): void {
    this.#database.run('DELETE FROM images WHERE id = ?', id);
  }

  /** Bottom first. */
  layersOf(id: Digest): readonly DiffId[] {
    const sql = 'SELECT diff_id FROM image_layers WHERE image_id = ? ORDER BY position';
    return this.#database.all(sql, id).map((row) => parseDiffId(text(row, 'diff_id')));
  }

  /** Config, manifest, index and compressed layers. */
  blobsOf(id: Digest): readonly Digest[] {
    const sql =
      'SELECT blob_digest AS digest FROM image_layers WHERE image_id = ? AND blob_digest IS NOT NULL';
    return [id, ...this.#manifestsOf(id), ...this.#digests(sql, id)];
  }

  /** How many images have a layer. */
  imagesWith(diffId: DiffId): number {
    const sql = 'SELECT count(DISTINCT image_id) AS images FROM image_layers WHERE diff_id = ?';
    return integer(this.#database.get(sql, diffId) ?? {}, 'images');
  }

  needsBlob(digest: Digest): boolean {
    const sql = `SELECT 1 FROM images WHERE id = ?1 OR manifest_digest = ?1 OR source_index_digest = ?1
      UNION ALL SELECT 1 FROM image_layers WHERE blob_digest = ?1`;
    return this.#database.get(sql, digest) !== undefined;
  }

  /** The images that `where` selects, in five queries however many they are. */
  #read(where: '' | 'WHERE image_id = ?', values: readonly string[]): ImageRecord[] {
    const rows = (columns: string, from: string, order: string) =>
      this.#database.all(`SELECT ${columns} FROM ${from} ${where} ORDER BY ${order}`, ...values);
    const byImage = (found: readonly Row[]) => Map.groupBy(found, (row) => text(row, 'image_id'));
    const find = this.#layers(where, values);
    const layers = byImage(rows('image_id, diff_id, blob', 'image_layers', 'position'));
    const tags = byImage(rows('image_id, name, tagged_at', 'tags', 'name'));
    const digests = byImage(rows('image_id, name', 'repo_digests', 'rowid'));
    return rows(
      'image_id, manifest, source_index, hidden',
      '(SELECT id AS image_id, * FROM images)',
      'image_id',
    ).map((row) => {
      const id = parseDigest(text(row, 'image_id'));
      return this.#row(row, {
        find,
        layers: layers.get(id) ?? [],
        tags: tags.get(id) ?? [],
        digests: digests.get(id) ?? [],
      });
    });
  }

  /** The layers of some images; many images have the same ones. */
  #layers(where: string, values: readonly string[]): (diffId: string) => Layer {
    const sql = `SELECT diff_id, format, size, fingerprint FROM layers
      WHERE diff_id IN (SELECT diff_id FROM image_layers ${where})`;
    const layers = new Map(
      this.#database.all(sql, ...values).map((row) => [text(row, 'diff_id'), layerFrom(row, this.#root)]),
    );
    return (diffId) => {
      const layer = layers.get(diffId);
      if (layer === undefined) throw internal(`layer ${diffId} of an image has no record`);
      return layer;
    };
  }

  #row(image: Row, { find, layers: layerRows, tags, digests }: RowParts): ImageRecord {
    const layers = layerRows.map((row) => find(text(row, 'diff_id')));
    const taggedAt = tags.flatMap((row) => optionalText(row, 'tagged_at') ?? []);
    return {
      id: parseDigest(text(image, 'image_id')),
      layers,
      size: layers.reduce((sum, { size }) => sum + size, 0),
      tags: tags.map((row) => text(row, 'name')),
      taggedAt: taggedAt.toSorted().at(-1),
      repoDigests: digests.map((row) => text(row, 'name')),
      manifest: descriptor(image, 'manifest'),
      index: descriptor(image, 'source_index'),
      layerBlobs: layerRows.map((row) => descriptor(row, 'blob')),
      hidden: integer(image, 'hidden') === 1,
    };
  }

  #manifestsOf(id: Digest): readonly Digest[] {
    const sql = `SELECT manifest_digest AS digest FROM images WHERE id = ?1 AND manifest_digest IS NOT NULL
      UNION SELECT source_index_digest FROM images WHERE id = ?1 AND source_index_digest IS NOT NULL`;
    return this.#digests(sql, id);
  }

  #putImage(id: Digest, { manifest, index, hidden = false }: NewImage): void {
    this.#database.run(
      `INSERT INTO images (id, manifest, manifest_digest, source_index, source_index_digest, hidden)
       VALUES (?, ?, ?, ?, ?, ?)
       ON CONFLICT (id) DO UPDATE SET
         manifest = coalesce(excluded.manifest, manifest),
         manifest_digest = coalesce(excluded.manifest_digest, manifest_digest),
         source_index = coalesce(excluded.source_index, source_index),
         source_index_digest = coalesce(excluded.source_index_digest, source_index_digest),
         hidden = min(excluded.hidden, hidden)`,
      id,
      manifest === undefined ? null : JSON.stringify(manifest),
      manifest?.digest ?? null,
      index === undefined ? null : JSON.stringify(index),
      index?.digest ?? null,
      hidden ? 1 : 0,
    );
  }

  /** An image that is built on another one knows the blobs of that one's layers, also when the other is gone. */
  #putLayer(id: Digest, position: number, diffId: DiffId, given: Descriptor | undefined): void {
    const blob = given ?? this.#blobOf(diffId);
    this.#database.run(
      `INSERT INTO image_layers (image_id, position, diff_id, blob, blob_digest) VALUES (?, ?, ?, ?, ?)
       ON CONFLICT (image_id, position) DO UPDATE SET
         blob = coalesce(excluded.blob, blob),
         blob_digest = coalesce(excluded.blob_digest, blob_digest)`,
      id,
      position,
      diffId,
      blob === undefined ? null : JSON.stringify(blob),
      blob?.digest ?? null,
    );
  }

  #blobOf(diffId: DiffId): Descriptor | undefined {
    const sql = 'SELECT blob FROM image_layers WHERE diff_id = ? AND blob IS NOT NULL LIMIT 1';
    const row = this.#database.get(sql, diffId);
    return row === undefined ? undefined : (JSON.parse(text(row, 'blob')) as Descriptor);
  }

  #setTag(id: Digest, name: string): void {
    this.#database.run(
      `INSERT INTO tags (name, image_id, tagged_at) VALUES (?1, ?2, ?3)
       ON CONFLICT (name) DO UPDATE SET image_id = ?2, tagged_at = ?3`,
      name,
      id,
      new Date().toISOString(),
    );
  }

  #digests(sql: string, ...values: string[]): Digest[] {
    return this.#database.all(sql, ...values).map((row) => parseDigest(text(row, 'digest')));
  }
}

function descriptor(row: Row, column: string): Descriptor | undefined {
  const json = optionalText(row, column);
  return json === undefined ? undefined : (JSON.parse(json) as Descriptor);
}
