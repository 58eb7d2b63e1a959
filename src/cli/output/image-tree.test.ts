import { expect, test } from 'vitest';
import type { ImageManifest, ImageSummary } from '../../client/index.ts';
import { imageTree } from './image-tree.ts';

const manifest = (
  architecture: string,
  variant: string | undefined,
  containers: readonly string[],
): ImageManifest => ({
  ID: `sha256:${'b'.repeat(64)}`,
  Available: true,
  Kind: 'image',
  Size: { Content: 1_000_000, Total: 3_000_000 },
  ImageData: {
    Platform: { os: 'linux', architecture, ...(variant === undefined ? {} : { variant }) },
    Containers: containers,
    Size: { Unpacked: 2_000_000 },
  },
});

const image = (
  created: number,
  tags: readonly string[],
  manifests: readonly ImageManifest[],
): ImageSummary => ({
  Id: `sha256:${'a'.repeat(64)}`,
  ParentId: '',
  RepoTags: tags,
  RepoDigests: [],
  Created: created,
  Size: 2_000_000,
  SharedSize: -1,
  Containers: 0,
  Labels: null,
  Manifests: manifests,
});

test('an image stands above its platforms, the names of one image one below the other, the newest first', () => {
  const attestation: ImageManifest = { ...manifest('unknown', undefined, []), Kind: 'attestation' };
  const images = [
    image(1, ['old:1'], []),
    image(
      2,
      ['app:1', 'app:2'],
      [manifest('amd64', undefined, ['c']), attestation, manifest('arm', 'v7', [])],
    ),
    image(0, [], []),
  ];
  expect(imageTree(images)).toBe(
    [
      '                                                 Info ->  U In Use',
      '',
      'IMAGE             ID             DISK USAGE   CONTENT SIZE   EXTRA',
      'app:1',
      'app:2             aaaaaaaaaaaa          2MB            2MB   U',
      '├─ linux/amd64    bbbbbbbbbbbb          3MB            1MB   U',
      '└─ linux/arm/v7   bbbbbbbbbbbb          3MB            1MB',
      '',
      'old:1             aaaaaaaaaaaa          2MB             0B',
      '',
      '<untagged>        aaaaaaaaaaaa          2MB             0B',
      '',
    ].join('\n'),
  );
});
