import { invalid } from '../../../base/index.ts';
import type { ContentStore, Descriptor } from '../../../store/index.ts';
import { type ArchivedImage, archivedName } from './archived-image.ts';
import { layerMediaType } from './layer-media-type.ts';
import type { ReceivedArchive, ReceivedFile } from './received-archive.ts';

interface Item {
  readonly config: string;
  readonly names: readonly string[];
  readonly layers: readonly string[];
}

/** The images that manifest.json lists, as `docker save` has written it since 1.10. Throws `invalid` for what is missing or malformed. */
export async function imagesOfDockerArchive(
  archive: ReceivedArchive,
  content: ContentStore,
): Promise<ArchivedImage[]> {
  const items = parseItems(archive.document('manifest.json'));
  const images: ArchivedImage[] = [];
  for (const item of items) {
    const layers: Descriptor[] = [];
    for (const path of item.layers) {
      const { digest, size } = existing(archive, path);
      layers.push({ mediaType: await layerMediaType(content, digest), digest, size });
    }
    images.push({
      label: item.names[0] ?? `image "${item.config}"`,
      names: item.names.map(archivedName),
      configFile: existing(archive, item.config),
      manifest: undefined,
      index: undefined,
      layers,
    });
  }
  return images;
}

function existing(archive: ReceivedArchive, path: string): ReceivedFile {
  const file = archive.file(path);
  if (file !== undefined) return file;
  throw invalid(`manifest.json lists "${path}", which the archive does not have`);
}

function parseItems(value: unknown): Item[] {
  if (!Array.isArray(value)) throw malformed();
  return value.map((item: unknown) => {
    if (typeof item !== 'object' || item === null) throw malformed();
    const { Config, RepoTags, Layers }: Record<string, unknown> = { ...item };
    if (typeof Config !== 'string') throw malformed();
    return { config: Config, names: texts(RepoTags), layers: texts(Layers) };
  });
}

/** Go writes null for an empty list. */
function texts(value: unknown): string[] {
  if (value === null || value === undefined) return [];
  if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return value;
  throw malformed();
}

function malformed() {
  return invalid('manifest.json of the archive does not list images as "docker save" does');
}
