import {
  canonicalName,
  type Digest,
  errorMessage,
  invalid,
  notFound,
  parseReference,
  type Reference,
} from '../../../base/index.ts';
import { type Platform, platformName, runsOn } from '../../../registry/index.ts';
import {
  type ContentStore,
  type Descriptor,
  type ImageConfig,
  parseImageConfig,
} from '../../../store/index.ts';
import type { ReceivedFile } from './received-archive.ts';

/** An image as an archive describes it; all its blobs are in the content store. */
export interface ArchivedImage {
  /** For messages. */
  readonly label: string;
  /** Each with a tag. */
  readonly names: readonly Reference[];
  readonly configFile: ReceivedFile;
  /** Its manifest, where the archive has one. */
  readonly manifest: Descriptor | undefined;
  /** The index of its platforms, where it was chosen from one. */
  readonly index: Descriptor | undefined;
  /** Bottom first. */
  readonly layers: readonly Descriptor[];
}

/** An image of an archive whose parts fit together. */
export interface CheckedImage extends ArchivedImage {
  readonly id: Digest;
  readonly configBytes: Buffer;
  readonly config: ImageConfig;
}

/** Larger ones are no manifest and no config: these are held in memory. */
const MAX_JSON_BLOB = 8 * 1024 * 1024;

/** The bytes of a manifest or config; throws `invalid` when it is too large for one. */
export async function smallFile(
  content: ContentStore,
  { path, digest, size }: ReceivedFile,
): Promise<Buffer> {
  if (size > MAX_JSON_BLOB)
    throw invalid(`"${path}" of the archive has ${size} bytes: it is no JSON document of an image`);
  return content.read(digest);
}

/** A name that an archive gives to an image; throws `invalid` for what is none, or has a digest. */
export function archivedName(text: string): Reference {
  let reference: Reference;
  try {
    reference = parseReference(text);
  } catch (error) {
    throw invalid(`the archive has an image with an invalid name: ${errorMessage(error)}`, { cause: error });
  }
  if (reference.digest === undefined) return reference;
  throw invalid(`the archive has an image with the name "${text}": a name with a digest cannot be given`);
}

/**
 * Reads the configs of an archive's images. Throws `invalid` when one is no config or does not fit its manifest, or when
 * two images have one name; `not-found` when one is not for the wanted platform.
 */
export async function checkImages(
  content: ContentStore,
  images: readonly ArchivedImage[],
  platform: Platform | undefined,
): Promise<CheckedImage[]> {
  const checked: CheckedImage[] = [];
  for (const image of images) checked.push(await checkImage(content, image, platform));
  const owners = new Map<string, CheckedImage>();
  for (const image of checked) {
    for (const name of image.names.map(canonicalName)) {
      const owner = owners.get(name) ?? image;
      if (owner.id !== image.id) {
        throw invalid(`the archive gives the name ${name} to two images, ${owner.id} and ${image.id}`);
      }
      owners.set(name, image);
    }
  }
  return checked;
}

async function checkImage(
  content: ContentStore,
  image: ArchivedImage,
  platform: Platform | undefined,
): Promise<CheckedImage> {
  const { label, configFile, layers } = image;
  const configBytes = await smallFile(content, configFile);
  const config = parseConfig(configBytes, image);
  const { length } = config.rootfs.diff_ids;
  if (length !== layers.length) {
    throw invalid(`${label} has ${layers.length} layers in the archive, but its config lists ${length}`);
  }
  if (platform !== undefined && !runsOn(config, platform)) {
    throw notFound(`${label} is an image for ${platformName(config)}, not for ${platformName(platform)}`);
  }
  return { ...image, id: configFile.digest, configBytes, config };
}

function parseConfig(bytes: Buffer, { label, configFile }: ArchivedImage): ImageConfig {
  try {
    return parseImageConfig(bytes);
  } catch (error) {
    throw invalid(`${label} of the archive is broken: ${errorMessage(error)} ("${configFile.path}")`, {
      cause: error,
    });
  }
}
