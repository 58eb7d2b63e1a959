import { Readable } from 'node:stream';
import { canonicalName, crashPoint, type Reference } from '../../../base/index.ts';
import { changeConfig } from '../../../build/index.ts';
import type { Downloads, Platform } from '../../../registry/index.ts';
import type { Image, ImageConfig, Layer, Store } from '../../../store/index.ts';
import type { Events } from '../../events.ts';
import { announceImage, emitImageEvent } from '../image-events.ts';
import { counted, everyMegabyte } from '../progress-steps.ts';
import type { PullProgress, Settle } from '../pull.ts';
import { layerMediaType } from './layer-media-type.ts';

/** How an image is made of a file system's tar (`docker import`). */
export interface ImportOptions {
  /** The new image's name; undefined: it has only its id. */
  readonly reference: Reference | undefined;
  readonly message: string;
  /** Dockerfile instructions that change the config, which is empty. */
  readonly changes: readonly string[];
  readonly platform: Platform;
  readonly signal: AbortSignal;
  /** Of a download. */
  readonly onProgress: (progress: PullProgress) => void;
}

export interface ImportParts {
  readonly store: Store;
  readonly downloads: Downloads;
  readonly events: Events;
  readonly settle: Settle;
}

/**
 * Makes an image of a tar (plain, gzip or zstd), which becomes its one layer as it is. Throws `invalid` for changes that are
 * none, before anything is read, and for a broken tar, and what keeps a URL from being downloaded; nothing is kept then.
 */
export async function importImage(
  parts: ImportParts,
  source: Readable | URL,
  options: ImportOptions,
): Promise<Image> {
  const image = await importHeld(parts, source, options);
  await parts.settle(image, options.signal);
  return image;
}

async function importHeld(
  parts: ImportParts,
  source: Readable | URL,
  options: ImportOptions,
): Promise<Image> {
  const { content, images, layers } = parts.store;
  const { reference, changes, signal } = options;
  const runtime = changeConfig({}, changes);
  const tar = source instanceof URL ? await download(parts.downloads, source, options) : source;
  await using holding = images.hold();
  const { digest, size } = await content.add(tar, signal);
  holding.add(digest);
  const layer = await layers.unpackTar(await content.open(digest), { signal });
  holding.add(layer.diffId);
  crashPoint('import.layer');
  const tags = reference === undefined ? [] : [canonicalName(reference)];
  const image = await images.add({
    configBytes: Buffer.from(JSON.stringify(imageConfig(layer, runtime, options))),
    tags,
    layerBlobs: [{ mediaType: await layerMediaType(content, digest), digest, size }],
  });
  crashPoint('import.recorded');
  announceImage(parts.events, image, { isNew: false, tags });
  emitImageEvent(parts.events, 'import', image.id, image.id, image);
  return image;
}

async function download(
  downloads: Downloads,
  url: URL,
  { signal, onProgress }: ImportOptions,
): Promise<Readable> {
  const { body, size } = await downloads.open(url, signal);
  onProgress({ status: `Downloading from ${url.href}` });
  const total = size === undefined ? {} : { total: size };
  const tell = everyMegabyte((current) =>
    onProgress({ status: 'Importing', progressDetail: { current, ...total } }),
  );
  return Readable.from(counted(body, tell), { objectMode: false });
}

function imageConfig(
  { diffId }: Layer,
  runtime: NonNullable<ImageConfig['config']>,
  { message, platform }: ImportOptions,
): ImageConfig {
  const created = new Date().toISOString();
  const { os, architecture, variant } = platform;
  return {
    architecture,
    os,
    ...(variant === undefined ? {} : { variant }),
    created,
    config: runtime,
    rootfs: { type: 'layers', diff_ids: [diffId] },
    history: [{ created, comment: message }],
  };
}
