import { createHash } from 'node:crypto';
import { errorMessage, isBerthError, KeyedLock } from '../../../base/index.ts';
import type { DiskImages, TakenImage, TakeOptions } from '../disks/contract.ts';
import type { DebianSystems } from '../systems.ts';
import { type DebianRelease, debianRelease, packagesOf } from './releases.ts';
import type { SystemBuilder } from './system-builder.ts';
import { describeSystemFiles } from './system-files.ts';

/** Raised when the same packages and files become another disk, so that older images are not used. */
const VERSION = 2;

/** An image is used for so long, in milliseconds; then it is made anew, with the packages of that day. */
const LIFETIME = 7 * 24 * 3_600_000;

/** Debian systems, each made at its first use and kept in the store of disk images. */
export class BuiltDebian implements DebianSystems {
  readonly #images: Pick<DiskImages, 'take' | 'named'>;
  readonly #builder: SystemBuilder;
  readonly #lock = new KeyedLock();

  constructor(images: Pick<DiskImages, 'take' | 'named'>, builder: SystemBuilder) {
    this.#images = images;
    this.#builder = builder;
  }

  async provide(name: string, options: TakeOptions = {}): Promise<TakenImage> {
    const release = debianRelease(name);
    return this.#lock.run(release.codename, async () => {
      options.signal?.throwIfAborted();
      const key = storeName(release);
      const kept = await this.#images.named(key);
      if (kept === undefined) return this.#make(release, key, options);
      if (Date.now() - kept.image.createdAt.getTime() < LIFETIME) return kept;
      try {
        const made = await this.#make(release, key, options);
        kept[Symbol.dispose]();
        return made;
      } catch (error) {
        if (isBerthError(error, 'unavailable')) return withWarning(kept, release, error);
        kept[Symbol.dispose]();
        throw error;
      }
    });
  }

  #make(release: DebianRelease, key: string, options: TakeOptions): Promise<TakenImage> {
    return this.#builder.build(release, options, (path) =>
      this.#images.take({ kind: 'built', path, format: 'qcow2', name: key }, options),
    );
  }
}

/** What the store knows a release's image by: an image of other packages, or with other settings, has another name. */
function storeName(release: DebianRelease): string {
  const recipe = [VERSION, ...packagesOf(release), describeSystemFiles()].join('\n');
  return `debian:${release.codename}-${createHash('sha256').update(recipe).digest('hex').slice(0, 12)}`;
}

/** An old system is better than none, but its user is to know. */
function withWarning(kept: TakenImage, { codename }: DebianRelease, error: unknown): TakenImage {
  const day = kept.image.createdAt.toISOString().slice(0, 10);
  const warning = `debian ${codename} is as of ${day}, as it could not be made anew: ${errorMessage(error)}`;
  return {
    image: kept.image,
    warnings: [...kept.warnings, warning],
    [Symbol.dispose]: () => kept[Symbol.dispose](),
  };
}
