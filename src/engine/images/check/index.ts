import { type Digest, errorMessage, familiarName, parseReference, shortId } from '../../../base/index.ts';
import type { ImageRecord, Layer } from '../../../store/index.ts';
import type { CheckedThing, CheckOptions, CheckParts, CheckReport, Damage } from './contract.ts';
import { examineBlob, examineLayer } from './examine.ts';
import { blobOf, isBlobOf, repairBlob, repairLayer } from './repair.ts';

export type { CheckedThing, CheckOptions, CheckReport, Damage } from './contract.ts';
export { fingerprintOf } from './fingerprint.ts';

/**
 * Reads all that images are made of, and says what is not as its digest says. With `repair` it mends that: from the registry
 * that an image came from, from a layer's blob, or by compressing a layer again.
 */
export async function checkImages(parts: CheckParts, options: CheckOptions): Promise<CheckReport> {
  const { content, layers, images } = parts.store;
  const records = images.records();
  const blobs = blobsToCheck(records, await content.list());
  const allLayers = layers.list();
  const damages: Damage[] = [];
  const broken = new Set<Digest>();
  let done = 0;

  const check = async (
    thing: CheckedThing,
    examine: () => Promise<string | undefined>,
    repair: () => Promise<void>,
  ) => {
    options.signal.throwIfAborted();
    options.onProgress(thing, done, blobs.length + allLayers.length);
    done += 1;
    const reason = await examine();
    if (reason === undefined || (await isGone(parts, thing))) return;
    const outcome = options.repair ? await attempt(repair, options.signal) : ({ kind: 'none' } as const);
    if (outcome.kind !== 'done') broken.add(thing.digest);
    damages.push({ ...thing, reason, images: usersOf(records, thing.digest), repair: outcome });
  };

  // Blobs first: layers are held against them, and made again from them.
  for (const digest of blobs) {
    await check(
      { kind: 'blob', digest },
      () => examineBlob(parts.store, digest, options.signal),
      () => repairBlob(parts, records, digest, options),
    );
  }
  for (const layer of allLayers) {
    const blob = layer.fingerprint === undefined ? blobOf(records, layer)?.digest : undefined;
    if (blob !== undefined && broken.has(blob)) continue; // nothing is left that it could be held against
    await check(
      { kind: 'layer', digest: layer.diffId },
      () => examineLayer(parts, layer, blob, options.signal),
      () => repairLayer(parts, records, layer, blob, options),
    );
  }
  return { blobs: blobs.length, layers: allLayers.length, damages };
}

/** What is there, and what should be: the blobs of layers with a fingerprint were discarded. */
function blobsToCheck(records: readonly ImageRecord[], present: readonly Digest[]): readonly Digest[] {
  const needed = records.flatMap(({ id, manifest, index, layers, layerBlobs }) => [
    id,
    ...(manifest === undefined ? [] : [manifest.digest]),
    ...(index === undefined ? [] : [index.digest]),
    ...layers.flatMap((layer: Layer, position) => {
      const blob = layerBlobs[position];
      return blob === undefined || layer.fingerprint !== undefined ? [] : [blob.digest];
    }),
  ]);
  return [...new Set([...present, ...needed])].sort();
}

/** Whether what was to be checked has been deleted with its images meanwhile. */
async function isGone({ store }: CheckParts, { kind, digest }: CheckedThing): Promise<boolean> {
  if (kind === 'layer') return store.layers.list().every(({ diffId }) => diffId !== digest);
  return !(await store.content.has(digest)) && usersOf(store.images.records(), digest).length === 0;
}

async function attempt(repair: () => Promise<void>, signal: AbortSignal): Promise<Damage['repair']> {
  try {
    await repair();
    return { kind: 'done' };
  } catch (error) {
    signal.throwIfAborted();
    return { kind: 'failed', reason: errorMessage(error) };
  }
}

function usersOf(records: readonly ImageRecord[], digest: Digest): readonly string[] {
  return records
    .filter(
      (record) => isBlobOf(record, digest) || record.layers.some((layer: Layer) => layer.diffId === digest),
    )
    .flatMap(({ id, tags }) =>
      tags.length === 0 ? [shortId(id)] : tags.map((tag) => familiarName(parseReference(tag))),
    );
}
