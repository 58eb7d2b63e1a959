import { describe, expect, it } from 'vitest';
import { type Digest, digestOf, notFound } from '../base/index.ts';
import type { Image } from '../store/index.ts';
import { Query } from './fields.ts';
import { parseFilters } from './filters.ts';
import { IMAGE_FILTERS, selectImages } from './image-selection.ts';

const DIGEST = `sha256:${'a'.repeat(64)}`;

function image(created: string, tags: readonly string[], repoDigests: readonly string[] = []): Image {
  return {
    id: digestOf(created) as Digest,
    config: { architecture: 'amd64', os: 'linux', created, rootfs: { type: 'layers', diff_ids: [] } },
    configBytes: Buffer.from(''),
    layers: [],
    size: 0,
    tags,
    taggedAt: undefined,
    repoDigests,
    manifest: undefined,
    index: undefined,
    layerBlobs: [],
    hidden: false,
  };
}

const images = [
  image('2024-01-01T00:00:00Z', ['docker.io/library/debian:12', 'docker.io/library/debian:bookworm']),
  image('2023-01-01T00:00:00Z', ['docker.io/team/app:1', 'host:5000/a/b/app:2']),
  image('2022-01-01T00:00:00Z', [], [`docker.io/library/old@${DIGEST}`]),
];

/** The names, familiar and canonical ones mixed as they are stored, of what is selected. */
async function selected(filters: Readonly<Record<string, readonly string[]>>): Promise<string[]> {
  const query = new Query({ filters: JSON.stringify(filters) });
  const found = await selectImages(images, parseFilters(query, IMAGE_FILTERS), async (text) => {
    const match = images.find(({ tags }) => tags.some((tag) => tag.endsWith(text)));
    if (match === undefined) throw notFound(`No such image: ${text}`);
    return match;
  });
  return found.flatMap(({ tags, repoDigests }) => [...tags, ...repoDigests]);
}

describe('images are selected', () => {
  it.each([
    ['debian', ['docker.io/library/debian:12', 'docker.io/library/debian:bookworm']],
    ['debian:12', ['docker.io/library/debian:12']],
    ['deb*:1?', ['docker.io/library/debian:12']],
    ['debian:[a-z]*', ['docker.io/library/debian:bookworm']],
    ['debian:[^a-z]*', ['docker.io/library/debian:12']],
    ['docker.io/library/debian:12', ['docker.io/library/debian:12']],
    ['*/app', ['docker.io/team/app:1']],
    ['host:5000/*/*/app:2', ['host:5000/a/b/app:2']],
    ['*app*', []],
    ['d\\ebian:12', ['docker.io/library/debian:12']],
    ['deb.an', []],
    [`old@${DIGEST}`, [`docker.io/library/old@${DIGEST}`]],
  ])('by the pattern %s', async (pattern, expected) => {
    expect(await selected({ reference: [pattern] })).toEqual(expected);
  });

  it.each(['[', 'a[', 'a\\', '[]'])('not by the pattern %s, which is refused', async (pattern) => {
    await expect(selected({ reference: [pattern] })).rejects.toThrow('syntax error in pattern');
  });

  it('by whether they have a name', async () => {
    expect(await selected({ dangling: ['true'] })).toEqual([`docker.io/library/old@${DIGEST}`]);
    expect(await selected({ dangling: ['false'] })).toHaveLength(4);
  });

  it('by their age, also beside another image', async () => {
    expect(await selected({ before: ['app:1'] })).toEqual([`docker.io/library/old@${DIGEST}`]);
    expect(await selected({ since: ['app:1'] })).toHaveLength(2);
    expect(await selected({ since: ['app:1'], before: ['app:1'] })).toEqual([]);
    expect(await selected({ until: ['2022-06-01T00:00:00Z'] })).toEqual([`docker.io/library/old@${DIGEST}`]);
    await expect(selected({ before: ['nothing'] })).rejects.toThrow('No such image: nothing');
  });
});
