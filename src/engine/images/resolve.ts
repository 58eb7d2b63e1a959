import { canonicalName, type Digest, isDigest, notFound, parseReference } from '../../base/index.ts';
import { type Platform, parsePlatform, platformName, runsOn } from '../../registry/index.ts';
import type { ContentStore, Image, ImageStore } from '../../store/index.ts';
import { indexEntries } from './listed-manifests.ts';

/** An image by id, unique prefix of an id, or name; throws `not-found` in Docker's words. */
export async function findImage(images: ImageStore, text: string): Promise<Image> {
  const image = await lookUp(images, text);
  if (image !== undefined) return image;
  if (!isHex(text.replace(/^sha256:/, ''))) parseReference(text); // says what is wrong with it
  throw notFound(`No such image: ${withTag(text)}`);
}

/**
 * Of the images that came under one name for several platforms, the one for `wanted`, else this host's; where there is none for
 * the host, the one that has the name. `label` tells of it in errors. Throws `not-found` in Docker's words where there is none at all, or none for `wanted`.
 */
export async function findImageFor(
  { images, content }: { readonly images: ImageStore; readonly content: ContentStore },
  text: string,
  wanted: Platform | undefined,
  label = text,
): Promise<Image> {
  const image = await findImage(images, text);
  const platform = wanted ?? parsePlatform('');
  if (runsOn(image.config, platform)) return image;
  const siblings = isId(text, image) ? [] : await siblingsOf(images, await indexEntries(content, image));
  const found = siblings.find(({ config }) => runsOn(config, platform));
  if (found !== undefined) return found;
  if (wanted === undefined) return image;
  throw notFound(
    `image with reference ${label} was found but does not provide the specified platform (${platformName(wanted)})`,
  );
}

/** The images of an index that are here. */
async function siblingsOf(
  images: ImageStore,
  entries: readonly { readonly digest: Digest }[],
): Promise<readonly Image[]> {
  if (entries.length === 0) return [];
  const digests = new Set(entries.map(({ digest }) => digest));
  return (await images.list()).filter(
    ({ manifest }) => manifest !== undefined && digests.has(manifest.digest),
  );
}

function isId(text: string, { id }: Image): boolean {
  return id.startsWith(text) || id.startsWith(`sha256:${text}`);
}

/** As {@link findImage}, without the error. */
export async function lookUp(images: ImageStore, text: string): Promise<Image | undefined> {
  if (isDigest(text)) return images.get(text as Digest);
  const byName = isReference(text) ? await images.byName(canonicalName(parseReference(text))) : undefined;
  if (byName !== undefined) return byName;
  const hex = text.replace(/^sha256:/, '');
  return isHex(hex) ? images.byIdPrefix(hex) : undefined;
}

/** As Docker names it in errors. */
export const withTag = (text: string) => (text.includes(':') || isHex(text) ? text : `${text}:latest`);

const isHex = (text: string) => /^[0-9a-f]{4,64}$/.test(text);

function isReference(text: string): boolean {
  try {
    parseReference(text);
    return true;
  } catch {
    return false;
  }
}
