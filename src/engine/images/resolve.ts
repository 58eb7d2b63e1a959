import { canonicalName, type Digest, isDigest, notFound, parseReference } from '../../base/index.ts';
import type { Image, ImageStore } from '../../store/index.ts';

/** An image by id, unique prefix of an id, or name; throws `not-found` in Docker's words. */
export async function findImage(images: ImageStore, text: string): Promise<Image> {
  const image = await lookUp(images, text);
  if (image !== undefined) return image;
  if (!isHex(text.replace(/^sha256:/, ''))) parseReference(text); // says what is wrong with it
  throw notFound(`No such image: ${text.includes(':') || isHex(text) ? text : `${text}:latest`}`);
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
