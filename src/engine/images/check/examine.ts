import { Readable } from 'node:stream';
import { type Digest, errorMessage, isBerthError, shortId } from '../../../base/index.ts';
import type { Layer, Store } from '../../../store/index.ts';
import { layerTar } from '../pack-layer.ts';
import type { CheckParts } from './contract.ts';
import { digestOfFile, fingerprintOf, isSameLayer } from './fingerprint.ts';

/** What is wrong with a blob; undefined where nothing is. */
export async function examineBlob(
  { content }: Store,
  digest: Digest,
  signal: AbortSignal,
): Promise<string | undefined> {
  if (!(await content.has(digest))) return 'it is missing';
  try {
    const actual = await digestOfFile(await content.path(digest), signal);
    return actual === digest ? undefined : `its bytes have the digest ${shortId(actual)}`;
  } catch (error) {
    return unreadable(error, signal);
  }
}

/** What is wrong with a layer, which is held against its fingerprint, its blob, or else the tar that it is packed to. */
export async function examineLayer(
  { store, launcher }: CheckParts,
  layer: Layer,
  blob: Digest | undefined,
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    if (layer.fingerprint !== undefined) {
      const actual = await fingerprintOf(launcher, layer.path, signal);
      return actual === layer.fingerprint ? undefined : 'it is no longer as it was unpacked';
    }
    if (blob === undefined) await launcher.unmountLayer(layer.path).catch(() => {}); // to read what is on the disk
    const tar = () => Readable.from(layerTar(launcher, layer, signal), { objectMode: false });
    await using copy = await store.layers.unpackCopy(blob ?? tar(), layer.diffId, { signal });
    return (await isSameLayer(launcher, layer.path, copy.path, signal))
      ? undefined
      : 'it is not what its blob unpacks to';
  } catch (error) {
    if (blob === undefined && isBerthError(error, 'conflict')) return 'its files give another diff ID';
    return unreadable(error, signal);
  }
}

function unreadable(error: unknown, signal: AbortSignal): string {
  signal.throwIfAborted();
  if (isBerthError(error, 'unavailable')) throw error; // a full disk, a launcher that is gone
  return `it cannot be read: ${errorMessage(error)}`;
}
