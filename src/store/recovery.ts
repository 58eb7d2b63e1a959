import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Digest, digestHex, parseDiffId } from '../base/index.ts';
import type { DataRoot } from './data-root.ts';
import { type Database, text } from './database.ts';
import { layerFileName } from './layers.ts';

/**
 * Finishes or undoes what a crash left: temporary files go, layers that no image has go (with their records), and so do files
 * in `layers/` and `blobs/` that nothing refers to. An image of which a layer's file or the config is missing is no
 * image any more.
 */
export async function recover(root: DataRoot, database: Database): Promise<void> {
  await removeAll(root.temporary, await readdir(root.temporary));
  const layerFiles = new Set(await readdir(root.layers));
  const blobFiles = new Set(await readdir(root.blobs));
  forgetBroken(database, layerFiles, blobFiles);
  await removeAll(root.layers, unneeded(layerFiles, neededLayerFiles(database)));
  await removeAll(root.blobs, unneeded(blobFiles, neededBlobFiles(database)));
}

function forgetBroken(
  database: Database,
  layerFiles: ReadonlySet<string>,
  blobFiles: ReadonlySet<string>,
): void {
  database.transaction(() => {
    for (const row of database.all('SELECT id FROM images')) {
      const id = text(row, 'id') as Digest;
      if (!blobFiles.has(digestHex(id))) database.run('DELETE FROM images WHERE id = ?', id);
    }
    for (const row of database.all('SELECT diff_id, format FROM layers')) {
      const diffId = text(row, 'diff_id');
      if (layerFiles.has(layerFileName(parseDiffId(diffId), text(row, 'format')))) continue;
      database.run(
        'DELETE FROM images WHERE id IN (SELECT image_id FROM image_layers WHERE diff_id = ?)',
        diffId,
      );
    }
    database.run('DELETE FROM layers WHERE diff_id NOT IN (SELECT diff_id FROM image_layers)');
  });
}

function neededLayerFiles(database: Database): Set<string> {
  const rows = database.all('SELECT diff_id, format FROM layers');
  return new Set(rows.map((row) => layerFileName(parseDiffId(text(row, 'diff_id')), text(row, 'format'))));
}

function neededBlobFiles(database: Database): Set<string> {
  const rows = database.all(
    `SELECT id AS digest FROM images
     UNION SELECT manifest_digest FROM images WHERE manifest_digest IS NOT NULL
     UNION SELECT source_index_digest FROM images WHERE source_index_digest IS NOT NULL
     UNION SELECT blob_digest FROM image_layers WHERE blob_digest IS NOT NULL`,
  );
  return new Set(rows.map((row) => digestHex(text(row, 'digest') as Digest)));
}

function unneeded(files: ReadonlySet<string>, needed: ReadonlySet<string>): string[] {
  return [...files].filter((file) => !needed.has(file));
}

async function removeAll(folder: string, names: readonly string[]): Promise<void> {
  for (const name of names) await rm(join(folder, name), { recursive: true, force: true });
}
