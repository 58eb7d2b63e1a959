import { canonicalName, type Digest, isDigest, notFound, parseReference } from '../../base/index.ts';
import { type Platform, parsePlatform, platformName, runsOn } from '../../registry/index.ts';
import type { Image, ImageStore } from '../../store/index.ts';

/** An image by id, unique prefix of an id, or name; throws `not-found` in Docker's words. */
export async function findImage(images: ImageStore, text: string): Promise<Image> {
  const image = await lookUp(images, text);
  if (image !== undefined) return image;
  if (!isHex(text.replace(/^sha256:/, ''))) parseReference(text); // says what is wrong with it
  throw notFound(`No such image: ${text.includes(':') || isHex(text) ? text : `${text}:latest`}`);
}

/**
 * Of the images that came under one name for several platforms, the one for `wanted`, else this host's; where there is none for
 * the host, the one that has the name. Throws `not-found` in Docker's words where there is none at all, or none for `wanted`.
 */
export async function findImageFor(
  images: ImageStore,
  text: string,
  wanted: Platform | undefined,
): Promise<Image> {
  const image = await findImage(images, text);
  const platform = wanted ?? parsePlatform('');
  if (runsOn(image.config, platform)) return image;
  const siblings = isId(text, image) ? [] : await siblingsOf(images, image);
  const found = siblings.find(({ config }) => runsOn(config, platform));
  if (found !== undefined) return found;
  if (wanted === undefined) return image;
  throw notFound(
    `image with reference ${text} was found but does not provide the specified platform (${platformName(wanted)})`,
    { hint: `It is for ${platformName(image.config)}; pull it with --platform ${platformName(wanted)}` },
  );
}

/** Images that came by the same index. */
async function siblingsOf(images: ImageStore, { index }: Image): Promise<readonly Image[]> {
  if (index === undefined) return [];
  return (await images.list()).filter((other) => other.index?.digest === index.digest);
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

const isHex = (text: string) => /^[0-9a-f]{4,64}$/.test(text);

function isReference(text: string): boolean {
  try {
    parseReference(text);
    return true;
  } catch {
    return false;
  }
}
