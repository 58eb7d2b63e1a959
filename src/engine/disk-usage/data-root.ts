import { basename, relative } from 'node:path';
import type { Image } from '../../store/index.ts';
import { MACHINE_DISK } from '../../vm/index.ts';
import { allocated, filesBelow } from './tree-size.ts';

/** One row of what a data root takes. */
export interface DataRootCategory {
  readonly name: string;
  /** What frees it, or why it is there. */
  readonly description: string;
  readonly files: number;
  /** Bytes on the disk, folders included. */
  readonly size: number;
}

export interface DataRootUsage {
  readonly path: string;
  readonly categories: readonly DataRootCategory[];
  /** Bytes on the disk, as `du --summarize --one-file-system` counts them. */
  readonly total: number;
}

/** Each category and what it is, in the order in which they are shown. */
const CATEGORIES = {
  'Image layers': 'unpacked layers of images, each once: goes with image prune',
  'Build cache layers': 'unpacked layers that only the build cache keeps: goes with builder prune',
  'Compressed layers': 'layers as they came from a registry, so that a push is exact: goes with its image',
  'Manifests and configs': "images' own descriptions",
  'Writable layers': 'what containers have written: goes with the container',
  'Container logs': 'output of containers: goes with the container',
  'Container files': 'configuration and exit records of containers',
  Volumes: 'data of volumes: goes with volume prune -a',
  Builds: 'contexts and steps of builds that go on',
  'In transit': 'what is being written or deleted just now',
  Database: 'the metadata of everything',
  'Machine disks': 'what machines have written, and their snapshots: goes with the machine',
  'Machine images': 'disk images that machines stand on: what none stands on goes with vm prune',
  'Virtual machines': 'kernels, templates and empty disks: what no new one would use goes with builder prune',
  'Seccomp filters': 'compiled profiles, made again when they are missing',
  Other: 'folders, and what is not known',
} as const;

type CategoryName = keyof typeof CATEGORIES;

/** Walks the data root once, giving each file and folder to one category. `images` are all, the hidden ones too. */
export async function explainDataRoot(
  path: string,
  images: readonly Image[],
  signal: AbortSignal,
): Promise<DataRootUsage> {
  const sums = new Map<CategoryName, { files: number; size: number }>();
  const categoryOf = classifier(images);
  let total = 0;
  for await (const { path: found, stats } of filesBelow(path, signal)) {
    const name = categoryOf(relative(path, found));
    const sum = sums.get(name) ?? { files: 0, size: 0 };
    sums.set(name, sum);
    sum.size += allocated(stats);
    if (!stats.isDirectory()) sum.files += 1;
    total += allocated(stats);
  }
  const names = Object.keys(CATEGORIES) as CategoryName[];
  const categories = names.flatMap((name) => {
    const sum = sums.get(name);
    return sum === undefined ? [] : [{ name, description: CATEGORIES[name], ...sum }];
  });
  return { path, categories, total };
}

/** Tells the category of a path below the data root, whose parts know their own folders (open-store.ts, engine.ts). */
function classifier(images: readonly Image[]): (path: string) => CategoryName {
  const ofImages = new Set(
    images.flatMap(({ hidden, layers }) => (hidden ? [] : layers.map(({ path }) => basename(path)))),
  );
  const compressed = new Set(
    images.flatMap(({ layerBlobs }) =>
      layerBlobs.flatMap((blob) => blob?.digest.slice('sha256:'.length) ?? []),
    ),
  );
  return (path) => {
    const [top = '', second = '', ...rest] = path.split('/');
    const [third = ''] = rest;
    switch (top) {
      case 'layers':
        if (second === '') return 'Other';
        return ofImages.has(second) ? 'Image layers' : 'Build cache layers';
      case 'blobs':
        if (third === '') return 'Other';
        return compressed.has(third) ? 'Compressed layers' : 'Manifests and configs';
      case 'containers':
        if (third === 'upper' || third === 'work' || rest.join('/') === MACHINE_DISK)
          return 'Writable layers';
        if (third === 'disks' || third === 'snapshots') return 'Machine disks';
        return /-json\.log(\.\d+)?$/.test(third) ? 'Container logs' : 'Container files';
      case 'volumes':
        return 'Volumes';
      case 'build':
        return 'Builds';
      case 'tmp':
        return second === '' ? 'Other' : 'In transit';
      case 'vm':
        return second === 'images' ? 'Machine images' : 'Virtual machines';
      case 'seccomp':
        return 'Seccomp filters';
      default:
        return top.startsWith('metadata.db') ? 'Database' : 'Other';
    }
  };
}
