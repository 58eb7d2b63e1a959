import { familiarRepository, formatSize, parseReference, shortId } from '../../base/index.ts';
import type { ImageSummary } from '../../client/index.ts';
import type { Row } from './table.ts';
import { ago, formatTime } from './words.ts';

export const IMAGE_HEADERS = {
  ID: 'IMAGE ID',
  Repository: 'REPOSITORY',
  Tag: 'TAG',
  Digest: 'DIGEST',
  CreatedSince: 'CREATED',
  CreatedAt: 'CREATED AT',
  Size: 'SIZE',
  VirtualSize: 'SIZE',
  Containers: 'CONTAINERS',
  SharedSize: 'SHARED SIZE',
  UniqueSize: 'UNIQUE SIZE',
};

/** One row per name, as an image may have several; one without any name is "<none>". */
export function imageRows(image: ImageSummary, truncate: boolean, digests: boolean): Row[] {
  const tags = (image.RepoTags ?? []).map(parseReference);
  const names = (image.RepoDigests ?? []).map(parseReference);
  const untagged = names.filter(
    (name) => !tags.some((tag) => familiarRepository(tag) === familiarRepository(name)),
  );
  const digestOf = (repository: string) =>
    names.find((name) => familiarRepository(name) === repository)?.digest ?? '<none>';
  const rows = [
    ...tags.map((tag) => ({ repository: familiarRepository(tag), tag: tag.tag ?? '<none>' })),
    ...untagged.map((name) => ({ repository: familiarRepository(name), tag: '<none>' })),
  ];
  if (rows.length === 0) rows.push({ repository: '<none>', tag: '<none>' });
  return rows.map(({ repository, tag }) => ({
    ID: truncate ? shortId(image.Id) : image.Id,
    Repository: repository,
    Tag: tag,
    Digest: digests ? digestOf(repository) : '<none>',
    CreatedSince: ago(image.Created),
    CreatedAt: formatTime(image.Created),
    Size: formatSize(image.Size),
    VirtualSize: formatSize(image.Size),
    Containers: image.Containers < 0 ? 'N/A' : String(image.Containers),
    SharedSize: image.SharedSize < 0 ? 'N/A' : formatSize(image.SharedSize, 4),
    UniqueSize: image.SharedSize < 0 ? 'N/A' : formatSize(image.Size - image.SharedSize, 4),
  }));
}
