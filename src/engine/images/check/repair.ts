import { conflict, type Digest, errorMessage, notFound, parseReference } from '../../../base/index.ts';
import type { Descriptor, ImageRecord, Layer } from '../../../store/index.ts';
import { packLayer } from '../pack-layer.ts';
import type { CheckOptions, CheckParts } from './contract.ts';
import { fingerprintOf } from './fingerprint.ts';

/**
 * Makes a blob whole: fetches it again where one of its images came from or went to, or compresses its layer again. One that
 * no image needs is deleted. Throws why neither is possible.
 */
export async function repairBlob(
  parts: CheckParts,
  records: readonly ImageRecord[],
  digest: Digest,
  options: CheckOptions,
): Promise<void> {
  const { content } = parts.store;
  const users = records.filter((record) => isBlobOf(record, digest));
  if (users.length === 0) return content.delete(digest);
  const reasons: string[] = [];
  for (const record of users) {
    for (const name of record.repoDigests) {
      try {
        return await fetchAgain(parts, name, record, digest, options);
      } catch (error) {
        options.signal.throwIfAborted();
        reasons.push(errorMessage(error));
      }
    }
  }
  if (await compressAgain(parts, users, digest, options)) return;
  throw notFound(reasons.length === 0 ? 'no registry is known to have it' : reasons.join('; '));
}

/** Makes a layer whole from its blob, which is fetched where it is not there. Throws `conflict` while a container has the layer. */
export async function repairLayer(
  parts: CheckParts,
  records: readonly ImageRecord[],
  layer: Layer,
  wholeBlob: Digest | undefined,
  options: CheckOptions,
): Promise<void> {
  const { store, launcher } = parts;
  const blob = wholeBlob ?? blobOf(records, layer)?.digest;
  if (blob === undefined) {
    throw conflict('it was made here, and nothing else has it', { hint: 'Build its images again' });
  }
  if (wholeBlob === undefined) await repairBlob(parts, records, blob, options);
  await using copy = await store.layers.unpackCopy(blob, layer.diffId, { signal: options.signal });
  const fingerprint = await fingerprintOf(launcher, copy.path, options.signal);
  await launcher.unmountLayer(layer.path);
  await copy.replace();
  if (layer.fingerprint === undefined) return;
  store.layers.setFingerprint(layer.diffId, fingerprint);
  await store.content.delete(blob);
}

/** The blob that a layer came as or was compressed to, where one is known. */
export function blobOf(records: readonly ImageRecord[], { diffId }: Layer): Descriptor | undefined {
  for (const { layers, layerBlobs } of records) {
    const known = layerBlobs[layers.findIndex((layer) => layer.diffId === diffId)];
    if (known !== undefined) return known;
  }
  return undefined;
}

export function isBlobOf({ id, manifest, index, layerBlobs }: ImageRecord, digest: Digest): boolean {
  return id === digest || [manifest, index, ...layerBlobs].some((blob) => blob?.digest === digest);
}

async function fetchAgain(
  { store, registry }: CheckParts,
  name: string,
  { manifest, index }: ImageRecord,
  digest: Digest,
  { credentialsFor, signal }: CheckOptions,
): Promise<void> {
  const reference = parseReference(name);
  const credentials = credentialsFor(reference.domain);
  const access = { signal, ...(credentials === undefined ? {} : { credentials }) };
  const known = digest === index?.digest ? index : manifest;
  const remote = await registry.manifest(
    known === undefined ? reference : { ...reference, digest: known.digest },
    access,
  );
  if (remote.descriptor.digest === digest) {
    await store.content.put(remote.bytes);
    return;
  }
  if (remote.kind === 'index') throw notFound(`${name} does not say which of several images this is`);
  const blob = [remote.config, ...remote.layers].find((candidate) => candidate.digest === digest);
  if (blob === undefined) throw notFound(`${name} does not have it`);
  await store.content.write(blob, await registry.fetchBlob(reference, blob, access), signal);
}

/** Layers that were made here are compressed to the same bytes again. */
async function compressAgain(
  { store, launcher }: CheckParts,
  users: readonly ImageRecord[],
  digest: Digest,
  { signal }: CheckOptions,
): Promise<boolean> {
  const [user] = users;
  const layer = user?.layers[user.layerBlobs.findIndex((blob) => blob?.digest === digest)];
  if (layer === undefined) return false;
  const { content } = store;
  const made = await packLayer({ launcher, content }, layer, signal).catch(() => undefined);
  signal.throwIfAborted();
  if (made === undefined || made.digest === digest) return made !== undefined;
  await content.delete(made.digest);
  return false;
}
