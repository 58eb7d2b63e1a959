import { mkdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import {
  crashPoint,
  digestHex,
  KeyedLock,
  notFound,
  syncDirectory,
  systemErrorCode,
  writeFileAtomic,
} from '../../../base/index.ts';
import { type BroughtImage, bringBuilt, bringFile, bringUrl, requireDigest } from './bring-image.ts';
import type {
  BackingImage,
  BuiltSource,
  DiskImages,
  Download,
  FileSource,
  ImageSource,
  ImageUse,
  TakenImage,
  TakeOptions,
  UrlSource,
} from './contract.ts';
import {
  downloadOrigin,
  fileOrigin,
  type ImageRecord,
  imageOf,
  isImageName,
  isNameOrigin,
  nameOrigin,
  namesIn,
  readRecords,
  warningsOf,
} from './image-record.ts';
import { type ImageFacts, IncomingImage, readFacts } from './incoming-image.ts';
import { explainNoSpace, type QemuImg } from './qemu-img.ts';
import { SourceFile } from './source-file.ts';

export interface ImagePlaces {
  /** <data root>/vm/images; made when it is needed. */
  readonly images: string;
  /** On the same file system, and emptied by each start of berthd: <data root>/tmp. */
  readonly temporary: string;
}

export interface ImageTools {
  readonly qemuImg: QemuImg;
  readonly download: Download;
}

/** What was taken in, before it has its place. */
interface Taken extends BroughtImage, ImageFacts {
  readonly source: string;
  readonly origins: readonly string[];
}

/** Images as files named by their sha256, each with a record beside it that is there first. */
export class ImageStore implements DiskImages {
  readonly #places: ImagePlaces;
  readonly #tools: ImageTools;
  /** Per source: who comes second finds what the first has brought. */
  readonly #sources = new KeyedLock();
  /** Per image: publishing, leasing and removing. */
  readonly #images = new KeyedLock();
  readonly #leases = new Map<string, number>();

  constructor(places: ImagePlaces, tools: ImageTools) {
    this.#places = places;
    this.#tools = tools;
  }

  async take(source: ImageSource, options: TakeOptions = {}): Promise<TakenImage> {
    const subject = subjectOf(source);
    try {
      return await this.#sources.run(
        subject,
        async () => {
          await mkdir(this.#places.images, { recursive: true, mode: 0o700 });
          await mkdir(this.#places.temporary, { recursive: true, mode: 0o700 });
          switch (source.kind) {
            case 'file':
              return await this.#takeFile(source, options);
            case 'url':
              return await this.#takeUrl(source, options);
            case 'built':
              return await this.#takeBuilt(source, options);
          }
        },
        options.signal,
      );
    } catch (error) {
      throw explainNoSpace(error, `the disk image ${subject}`);
    }
  }

  async named(name: string): Promise<TakenImage | undefined> {
    return this.#known(nameOrigin(name));
  }

  async get(name: string): Promise<BackingImage> {
    const record = isImageName(name) ? (await readRecords(this.#places.images)).get(name) : undefined;
    if (record === undefined) throw notFound(`the disk image ${name} is not in the store`);
    return imageOf(this.#places.images, name, record);
  }

  async list(): Promise<readonly BackingImage[]> {
    const records = await readRecords(this.#places.images);
    return [...records].map(([name, record]) => imageOf(this.#places.images, name, record));
  }

  async usage(used: ReadonlySet<string>): Promise<readonly ImageUse[]> {
    const images = await this.list();
    return Promise.all(
      images.map(async (image) => ({
        image,
        size: (await allocatedSize(image.path)) ?? 0,
        used: used.has(image.name) || this.#leases.has(image.name),
      })),
    );
  }

  async prune(used: ReadonlySet<string>): Promise<number> {
    let freed = 0;
    for (const file of await namesIn(this.#places.images)) {
      const name = file.replace(/\.json$/, '');
      if (used.has(name) || !isImageName(name)) continue;
      freed += await this.#images.run(name, async () => {
        if (this.#leases.has(name)) return 0;
        const path = join(this.#places.images, file);
        const size = (await allocatedSize(path)) ?? 0;
        await rm(path, { force: true });
        return size;
      });
    }
    return freed;
  }

  async removeUnfinished(): Promise<void> {
    const { images } = this.#places;
    const names = new Set(await namesIn(images));
    const unfinished = [...names].filter((name) => isUnfinished(name, names));
    await Promise.all(unfinished.map((name) => rm(join(images, name), { force: true })));
  }

  async #begin(): Promise<IncomingImage> {
    const incoming = await IncomingImage.begin(this.#places.temporary);
    crashPoint('image.begun');
    return incoming;
  }

  async #takeFile(source: FileSource, options: TakeOptions): Promise<TakenImage> {
    await using file = await SourceFile.open(source.path);
    const known = await this.#known(fileOrigin(file.identity, source));
    if (known !== undefined) {
      requireDigest(source.path, known.image.digest, source.sha256);
      return known;
    }
    await using incoming = await this.#begin();
    const brought = await bringFile(file, source, incoming, options);
    const origins = file.lasting === undefined ? [] : [fileOrigin(file.lasting, source)];
    return await this.#keepForeign(incoming, { ...brought, source: source.path, origins }, options);
  }

  async #takeUrl(source: UrlSource, options: TakeOptions): Promise<TakenImage> {
    const origin = downloadOrigin(source);
    const known = await this.#known(origin);
    if (known !== undefined) return known;
    await using incoming = await this.#begin();
    const brought = await bringUrl(source, incoming, this.#tools.download, options);
    return await this.#keepForeign(
      incoming,
      { ...brought, source: source.url.href, origins: [origin] },
      options,
    );
  }

  async #takeBuilt(source: BuiltSource, options: TakeOptions): Promise<TakenImage> {
    await using incoming = await this.#begin();
    const brought = await bringBuilt(source, incoming, options);
    const facts = await readFacts(incoming.path, source.format, source.name);
    const origins = [nameOrigin(source.name)];
    return await this.#keep(incoming, { ...facts, ...brought, source: source.name, origins });
  }

  /** As {@link #keep}, after a look into what somebody else has made. */
  async #keepForeign(
    incoming: IncomingImage,
    taken: Omit<Taken, keyof ImageFacts>,
    { signal, onProgress }: TakeOptions,
  ): Promise<TakenImage> {
    onProgress?.({ stage: 'checking', done: 0, total: undefined });
    crashPoint('image.brought');
    const facts = await incoming.inspect(taken.format, taken.source, this.#tools.qemuImg, signal);
    crashPoint('image.checked');
    return this.#keep(incoming, { ...taken, ...facts });
  }

  /** Gives an image its place. The record comes first: a crash between the two leaves no file that nobody knows. */
  async #keep(incoming: IncomingImage, taken: Taken): Promise<TakenImage> {
    const { images } = this.#places;
    const name = `${digestHex(taken.digest)}.${taken.format}`;
    return this.#images.run(name, async () => {
      const present = (await readRecords(images)).get(name);
      const record = present === undefined ? newRecord(taken) : withOrigins(present, taken.origins);
      for (const origin of taken.origins) await this.#forgetElsewhere(origin, name);
      await writeFileAtomic(join(images, `${name}.json`), JSON.stringify(record));
      crashPoint('image.recorded');
      if (present === undefined) {
        await incoming.moveTo(join(images, name));
        await syncDirectory(images);
        crashPoint('image.placed');
      }
      return this.#lease(name, record);
    });
  }

  /** A name that is built anew belongs to the new image. */
  async #forgetElsewhere(origin: string, owner: string): Promise<void> {
    if (!isNameOrigin(origin)) return;
    for (const [name, record] of await readRecords(this.#places.images)) {
      if (name === owner || !record.origins.includes(origin)) continue;
      const rest = { ...record, origins: record.origins.filter((other) => other !== origin) };
      await writeFileAtomic(join(this.#places.images, `${name}.json`), JSON.stringify(rest));
    }
  }

  async #known(origin: string): Promise<TakenImage | undefined> {
    for (const [name, record] of await readRecords(this.#places.images)) {
      if (!record.origins.includes(origin)) continue;
      const taken = await this.#images.run(name, async () =>
        (await allocatedSize(join(this.#places.images, name))) === undefined
          ? undefined
          : this.#lease(name, record),
      );
      if (taken !== undefined) return taken;
    }
    return undefined;
  }

  /** Under the image's lock. */
  #lease(name: string, record: ImageRecord): TakenImage {
    this.#leases.set(name, (this.#leases.get(name) ?? 0) + 1);
    let isHeld = true;
    return {
      image: imageOf(this.#places.images, name, record),
      warnings: warningsOf(record),
      [Symbol.dispose]: () => {
        if (isHeld) this.#release(name);
        isHeld = false;
      },
    };
  }

  #release(name: string): void {
    const left = (this.#leases.get(name) ?? 0) - 1;
    if (left > 0) this.#leases.set(name, left);
    else this.#leases.delete(name);
  }
}

function newRecord(taken: Taken): ImageRecord {
  const { digest, format, virtualSize, snapshots, source, origins } = taken;
  return { version: 1, digest, format, virtualSize, snapshots, source, createdAt: Date.now(), origins };
}

function withOrigins(record: ImageRecord, origins: readonly string[]): ImageRecord {
  return { ...record, origins: [...new Set([...record.origins, ...origins])] };
}

/** A record whose image never came, or one that was not written to its end. An image is never: disks may stand on it. */
function isUnfinished(name: string, all: ReadonlySet<string>): boolean {
  return name.endsWith('.json') ? !all.has(name.slice(0, -'.json'.length)) : name.endsWith('.tmp');
}

/** What a source is called in messages; two with the same one are taken in one after the other. */
function subjectOf(source: ImageSource): string {
  switch (source.kind) {
    case 'file':
      return source.path;
    case 'url':
      return source.url.href;
    case 'built':
      return source.name;
  }
}

/** Bytes on the disk; undefined for a file that is not there. */
export async function allocatedSize(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).blocks * 512;
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}
