import { invalid, isBerthError, shortId } from '../../../base/index.ts';
import {
  choosePlatform,
  type Manifest,
  type Platform,
  type PlatformDescriptor,
  parseManifest,
  parsePlatform,
} from '../../../registry/index.ts';
import type { ContentStore } from '../../../store/index.ts';
import { type ArchivedImage, archivedName, smallFile } from './archived-image.ts';
import type { ReceivedArchive, ReceivedFile } from './received-archive.ts';

/** Annotations of an index's entries that name an image: containerd's has the whole name, OCI's often only the tag. */
const IMAGE_NAME = 'io.containerd.image.name';
const REF_NAME = 'org.opencontainers.image.ref.name';
const ATTESTATION = 'vnd.docker.reference.type';
const MAX_INDEX_DEPTH = 3;

/**
 * The images that index.json lists (OCI image-layout.md). Of several platforms of one image the wanted one is taken, else
 * this host's, else the first that the archive has. Throws `invalid` for what is missing or malformed, `not-found` for a
 * platform that is not offered.
 */
export async function imagesOfLayout(
  archive: ReceivedArchive,
  content: ContentStore,
  platform: Platform | undefined,
): Promise<ArchivedImage[]> {
  const bytes = archive.documentBytes('index.json') ?? Buffer.alloc(0);
  const index = parseManifest(bytes, 'application/vnd.oci.image.index.v1+json', 'index.json');
  if (index.kind !== 'index') throw invalid('index.json of the archive is no index');
  const reader = new LayoutReader(archive, content, platform);
  const images: ArchivedImage[] = [];
  for (const [name, entries] of byName(index.entries)) {
    // Platforms of one image may also be listed side by side.
    const chosen = arePlatforms(entries) ? [reader.choose(entries, name ?? 'the archive')] : entries;
    for (const entry of chosen) images.push(await reader.image(entry, name));
  }
  return images;
}

class LayoutReader {
  readonly #archive: ReceivedArchive;
  readonly #content: ContentStore;
  readonly #platform: Platform | undefined;

  constructor(archive: ReceivedArchive, content: ContentStore, platform: Platform | undefined) {
    this.#archive = archive;
    this.#content = content;
    this.#platform = platform;
  }

  /** The image that an entry describes, itself or by an index of its platforms. */
  async image(entry: PlatformDescriptor, name: string | undefined): Promise<ArchivedImage> {
    const label = name ?? shortId(entry.digest);
    let chosen = entry;
    let manifest = await this.#manifest(chosen, label);
    const index = manifest.kind === 'index' ? manifest.mediaType : undefined;
    for (let depth = 0; manifest.kind === 'index'; depth += 1) {
      if (depth === MAX_INDEX_DEPTH)
        throw invalid(`${label} of the archive is an index of indexes of indexes`);
      chosen = this.choose(manifest.entries, label);
      manifest = await this.#manifest(chosen, label);
    }
    const { mediaType, config, layers } = manifest;
    const { digest, size, annotations } = chosen;
    for (const layer of layers) this.#existing(layer, `the layer ${layer.digest} of ${label}`);
    return {
      label,
      names: name === undefined ? [] : [archivedName(name)],
      configFile: this.#existing(config, `the config ${config.digest} of ${label}`),
      manifest: { mediaType, digest, size, ...(annotations === undefined ? {} : { annotations }) },
      layers,
      index: index === undefined ? undefined : { mediaType: index, digest: entry.digest, size: entry.size },
    };
  }

  choose(entries: readonly PlatformDescriptor[], label: string): PlatformDescriptor {
    if (this.#platform !== undefined) return choosePlatform(entries, this.#platform, label);
    const present = entries.filter(
      (entry) => isImage(entry) && this.#archive.blob(entry.digest) !== undefined,
    );
    try {
      return choosePlatform(present, parsePlatform(''), label);
    } catch (error) {
      const [first] = present;
      if (!isBerthError(error, 'not-found') || first === undefined) throw error;
      return first;
    }
  }

  async #manifest(entry: PlatformDescriptor, label: string): Promise<Manifest> {
    const file = this.#existing(entry, `the manifest ${entry.digest} of ${label}`);
    return parseManifest(await smallFile(this.#content, file), entry.mediaType, label);
  }

  #existing({ digest, size }: PlatformDescriptorLike, what: string): ReceivedFile {
    const file = this.#archive.blob(digest);
    if (file === undefined) throw invalid(`the archive does not have ${what}`);
    if (file.size !== size) throw invalid(`${what} has ${file.size} bytes in the archive instead of ${size}`);
    return file;
  }
}

type PlatformDescriptorLike = Pick<PlatformDescriptor, 'digest' | 'size'>;

/** An index's entries by the name that they give; undefined for none. */
function byName(entries: readonly PlatformDescriptor[]): Map<string | undefined, PlatformDescriptor[]> {
  const groups = new Map<string | undefined, PlatformDescriptor[]>();
  for (const entry of entries.filter(isImage)) {
    const name = nameOf(entry);
    groups.set(name, [...(groups.get(name) ?? []), entry]);
  }
  return groups;
}

/** What attests something about an image is none itself. */
function isImage({ platform, annotations = {} }: PlatformDescriptor): boolean {
  return platform?.os !== 'unknown' && annotations[ATTESTATION] === undefined;
}

/** A tag alone names no image. */
function nameOf({ annotations = {} }: PlatformDescriptor): string | undefined {
  const name = annotations[IMAGE_NAME] ?? annotations[REF_NAME] ?? '';
  return IMAGE_NAME in annotations || /[:/]/.test(name) ? name : undefined;
}

function arePlatforms(entries: readonly PlatformDescriptor[]): boolean {
  const keys = new Set(
    entries.map(({ platform }) => (platform === undefined ? undefined : JSON.stringify(platform))),
  );
  return entries.length > 1 && keys.size === entries.length && !keys.has(undefined);
}
