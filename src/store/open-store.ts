import { mkdir } from 'node:fs/promises';
import { systemErrorCode, unavailable } from '../base/index.ts';
import { chooseLayerFormat } from './choose-format.ts';
import { FileContentStore } from './content.ts';
import type { Store } from './contract.ts';
import { DataRoot } from './data-root.ts';
import { Database } from './database.ts';
import { DatabaseDocumentStore } from './documents.ts';
import { ImageRecords } from './image-records.ts';
import { DatabaseImageStore } from './images.ts';
import type { LayerFormatName, PlaceTree } from './layer-format.ts';
import { UnpackedLayerStore } from './layers.ts';
import { Leases } from './leases.ts';
import { recover } from './recovery.ts';
import { Trash } from './trash.ts';

/*
 * A data root, as the store sees it (others keep folders of their own beside these):
 *
 *     metadata.db            SQLite, WAL; schema and its version: database.ts (`user_version`)
 *     blobs/sha256/<hex>     content as it came: configs, manifests, compressed layers
 *     layers/<hex>.erofs     a layer, by the hex digits of its diff ID: an EROFS image (erofs/format.ts),
 *     layers/<hex>/          or a folder, where the kernel has no EROFS
 *     tmp/                   what is being written or deleted; emptied at each start
 *
 * Files come by rename from tmp/ after an fsync, so a name in blobs/ or layers/ means "complete". The database decides what
 * is kept: layers by their record, blobs by the images that refer to them.
 */

export interface StoreOptions {
  /** An absolute path; made where it is missing. */
  readonly dataRoot: string;
  /** Ends what is going on when the daemon stops. */
  readonly signal: AbortSignal;
  /** Called before a layer's file goes: who has it mounted lets go of it, or throws `conflict` because it is in use. */
  readonly unmountLayer?: (path: string) => Promise<void>;
  /** How new layers are kept; undefined: what the kernel is best at. */
  readonly layerFormat?: LayerFormatName;
  readonly placeTree: PlaceTree;
}

/**
 * Opens a data root, repairing what a crash left. One process at a time may have it open. Throws `unavailable` when the
 * folder cannot be used, `internal` when a newer berth has written it.
 */
export async function openStore({
  dataRoot,
  signal,
  unmountLayer = async () => {},
  layerFormat,
  placeTree,
}: StoreOptions): Promise<Store> {
  const root = new DataRoot(dataRoot);
  await makeFolders(root);
  await using opened = new AsyncDisposableStack();
  const database = opened.use(new Database(root.database));
  await recover(root, database);
  const leases = new Leases();
  const trash = opened.use(new Trash(root));
  const content = new FileContentStore(root, leases, trash);
  const format = opened.use(await chooseLayerFormat(layerFormat, placeTree));
  const layers = new UnpackedLayerStore({ root, database, content, format, leases, trash, signal });
  const records = new ImageRecords(database, root);
  const images = new DatabaseImageStore({ database, content, layers, records, leases, trash, unmountLayer });
  const documents = new DatabaseDocumentStore(database);
  const resources = opened.move();
  return {
    content,
    layers,
    images,
    documents,
    spaceFreed: () => trash.empty(),
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}

async function makeFolders(root: DataRoot): Promise<void> {
  for (const folder of [root.path, root.blobs, root.layers, root.temporary]) {
    try {
      await mkdir(folder, { recursive: true, mode: 0o710 });
    } catch (error) {
      const code = systemErrorCode(error) ?? 'error';
      throw unavailable(`the data root ${root.path} cannot be used: ${folder} could not be made (${code})`, {
        cause: error,
      });
    }
  }
}
