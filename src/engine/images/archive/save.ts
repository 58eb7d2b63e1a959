import type { Readable } from 'node:stream';
import {
  canonicalName,
  type Digest,
  familiarName,
  familiarRepository,
  notFound,
  parseReference,
  type Reference,
} from '../../../base/index.ts';
import { type Platform, platformName, runsOn } from '../../../registry/index.ts';
import type { Descriptor, Holding, Image, Store } from '../../../store/index.ts';
import type { Events } from '../../events.ts';
import { emitImageEvent } from '../image-events.ts';
import { manifestOf } from '../image-manifest.ts';
import type { LayerBlobs } from '../layer-blobs.ts';
import type { Settle } from '../pull.ts';
import { findImage } from '../resolve.ts';
import { type ArchiveMember, blobPath, writeArchive } from './archive-writer.ts';

export interface SaveOptions {
  /** Refuse images of another platform. */
  readonly platform: Platform | undefined;
  readonly signal: AbortSignal;
}

/** An image with the names that it was asked for by; none when that was its id. */
interface Selection {
  readonly image: Image;
  readonly names: Reference[];
}

/** A selected image with all that an archive needs of it. */
interface SavedImage extends Selection {
  readonly manifest: Descriptor;
  readonly manifestBytes: Buffer;
  readonly layers: readonly Descriptor[];
}

/** Writes images as archives: an OCI image layout with Docker's manifest.json beside it, as dockerd does since version 25. */
export class ImageSaver {
  readonly #store: Store;
  readonly #layerBlobs: LayerBlobs;
  readonly #events: Events;
  readonly #settle: Settle;

  constructor(parts: { store: Store; layerBlobs: LayerBlobs; events: Events; settle: Settle }) {
    this.#settle = parts.settle;
    this.#store = parts.store;
    this.#layerBlobs = parts.layerBlobs;
    this.#events = parts.events;
  }

  /**
   * An archive of images by name or id; the name of a repository alone means all its tags. Layers that were made here are
   * compressed first, once and for all. Throws `not-found` before anything is written; what is saved stays until the stream is closed.
   */
  async save(references: readonly string[], options: SaveOptions): Promise<Readable> {
    const selections = await this.#select(references, options);
    const holding = this.#store.images.hold();
    try {
      const saved: SavedImage[] = [];
      for (const selection of selections) {
        saved.push(await this.#prepare(selection, holding, options.signal));
      }
      const archive = writeArchive(this.#store.content, members(saved));
      // What could not be deleted now is at the next deletion, or the next start.
      archive.once('close', () => void this.#letGo(holding, saved).catch(() => {}));
      for (const { image } of saved) emitImageEvent(this.#events, 'save', image.id, image.id, image);
      return archive;
    } catch (error) {
      await this.#letGo(holding, []);
      throw error;
    }
  }

  async #letGo(holding: Holding, saved: readonly SavedImage[]): Promise<void> {
    const { signal } = new AbortController(); // the client has gone, but this is not its work
    await holding[Symbol.asyncDispose]();
    for (const { image } of saved) {
      const current = await this.#store.images.get(image.id);
      if (current !== undefined) await this.#settle(current, signal);
    }
  }

  async #select(references: readonly string[], { platform }: SaveOptions): Promise<Selection[]> {
    const selections = new Map<Digest, Selection>();
    for (const text of references) {
      for (const { image, name } of await this.#named(text)) {
        if (platform !== undefined) requirePlatform(image, platform, text);
        const { names } = selections.get(image.id) ?? { names: [] as Reference[] };
        if (name !== undefined && !names.some((other) => canonicalName(other) === canonicalName(name)))
          names.push(name);
        selections.set(image.id, { image, names });
      }
    }
    return [...selections.values()];
  }

  async #named(text: string): Promise<{ image: Image; name: Reference | undefined }[]> {
    const reference = referenceIn(text);
    const isRepository = reference !== undefined && !/[:@][^/]*$/.test(text);
    const tagged = isRepository ? await this.#tagged(familiarRepository(reference)) : [];
    if (tagged.length > 0) return tagged;
    const image = await findImage(this.#store.images, text);
    const isName = reference !== undefined && image.tags.includes(canonicalName(reference));
    return [{ image, name: isName ? reference : undefined }];
  }

  /** What a repository has, by tag. */
  async #tagged(repository: string): Promise<{ image: Image; name: Reference }[]> {
    const all = (await this.#store.images.list()).flatMap((image) =>
      image.tags.map((tag) => ({ image, name: parseReference(tag) })),
    );
    return all
      .filter(({ name }) => familiarRepository(name) === repository)
      .toSorted((a, b) => ((a.name.tag ?? '') < (b.name.tag ?? '') ? -1 : 1));
  }

  async #prepare(selection: Selection, holding: Holding, signal: AbortSignal): Promise<SavedImage> {
    const { image } = selection;
    const layers: Descriptor[] = [];
    for (const blob of image.layerBlobs) if (blob !== undefined) holding.add(blob.digest);
    for (const index of image.layers.keys()) {
      const blob = await this.#layerBlobs.forArchive(image, index, signal);
      holding.add(blob.digest);
      layers.push(blob);
    }
    const { bytes, descriptor } = await manifestOf(this.#store.content, image, layers);
    return { ...selection, manifest: descriptor, manifestBytes: bytes, layers };
  }
}

function members(saved: readonly SavedImage[]): ArchiveMember[] {
  const blobs = new Map<string, ArchiveMember>();
  for (const { image, manifest, manifestBytes, layers } of saved) {
    blobs.set(manifest.digest, { name: blobPath(manifest.digest), bytes: manifestBytes });
    blobs.set(image.id, { name: blobPath(image.id), bytes: image.configBytes });
    for (const { digest, size } of layers) blobs.set(digest, { name: blobPath(digest), blob: digest, size });
  }
  return [
    ...blobs.values(),
    json('index.json', {
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.index.v1+json',
      manifests: saved.flatMap(indexEntries),
    }),
    json('manifest.json', saved.map(dockerItem)),
    json('oci-layout', { imageLayoutVersion: '1.0.0' }),
  ];
}

function json(name: string, value: unknown): ArchiveMember {
  return { name, bytes: Buffer.from(JSON.stringify(value)) };
}

/** An entry per name, with containerd's annotation for the whole name and OCI's for the tag. */
function indexEntries({ manifest, names }: SavedImage): object[] {
  const { mediaType, digest, size } = manifest;
  if (names.length === 0) return [{ mediaType, digest, size }];
  return names.map((name) => ({
    mediaType,
    digest,
    size,
    annotations: {
      'io.containerd.image.name': canonicalName(name),
      'org.opencontainers.image.ref.name': name.tag ?? '',
    },
  }));
}

/** An item of manifest.json, which readers without OCI layouts go by. */
function dockerItem({ image, names, layers }: SavedImage): object {
  return {
    Config: blobPath(image.id),
    RepoTags: names.length === 0 ? null : names.map(familiarName),
    Layers: layers.map(({ digest }) => blobPath(digest)),
  };
}

/** Undefined for what is no reference, but may be an id; who looks it up says what is wrong with it. */
function referenceIn(text: string): Reference | undefined {
  try {
    return parseReference(text);
  } catch {
    return undefined;
  }
}

function requirePlatform({ config }: Image, platform: Platform, text: string): void {
  if (runsOn(config, platform)) return;
  throw notFound(
    `no suitable export target found: image with reference ${text} was found but does not provide the specified platform (${platformName(platform)})`,
    { hint: `It is an image for ${platformName(config)}` },
  );
}
