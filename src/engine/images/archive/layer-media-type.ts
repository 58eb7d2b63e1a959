import { open } from 'node:fs/promises';
import type { Digest } from '../../../base/index.ts';
import type { ContentStore } from '../../../store/index.ts';

/** The media type of a layer whose compression nobody has said, by its first bytes (OCI image-spec, layer.md). */
export async function layerMediaType(content: ContentStore, digest: Digest): Promise<string> {
  const tar = 'application/vnd.oci.image.layer.v1.tar';
  await using file = await open(await content.path(digest), 'r');
  const { buffer } = await file.read(Buffer.alloc(4), 0, 4, 0);
  const magic = buffer.toString('hex');
  if (magic.startsWith('1f8b')) return `${tar}+gzip`;
  if (magic === '28b52ffd') return `${tar}+zstd`;
  return tar;
}
