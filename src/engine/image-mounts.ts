import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Digest, KeyedLock, shortId } from '../base/index.ts';
import type { Image } from '../store/index.ts';
import { mountOnHost, removeHostMount, removeHostMounts } from './host-mounts.ts';

/**
 * Images whose files containers mount (`--mount type=image`): each is mounted once, read-only, below one folder of the host,
 * while a container uses it.
 */
export class ImageMounts {
  readonly #folder: string;
  readonly #lock = new KeyedLock();
  /** The containers that use each image now. */
  readonly #users = new Map<Digest, Set<string>>();

  /** `execRoot` is the instance's own. */
  constructor(execRoot: string) {
    this.#folder = join(execRoot, 'images');
  }

  /** Where an image's files are, while it is open. */
  root(image: Digest): string {
    return join(this.#folder, shortId(image), 'root');
  }

  /** Mounts an image for a container that is about to start. */
  async open(image: Image, container: string): Promise<void> {
    await this.#lock.run(image.id, async () => {
      this.keepOpen(image.id, container);
      const paths = image.layers.map(({ path }) => path);
      const [only] = paths;
      if (only !== undefined && paths.length === 1) await mountLayer(only, this.root(image.id));
      else await this.#join(image.id, paths);
    });
  }

  /** Notes that a container uses an image that is mounted already. */
  keepOpen(image: Digest, container: string): void {
    this.#users.set(image, (this.#users.get(image) ?? new Set()).add(container));
  }

  /** Takes an image's files away with the last container that used them. */
  async close(image: Digest, container: string): Promise<void> {
    await this.#lock.run(image, async () => {
      const users = this.#users.get(image);
      users?.delete(container);
      if (users !== undefined && users.size > 0) return;
      this.#users.delete(image);
      await removeHostMount(this.root(image));
      await removeHostMounts(join(this.#folder, shortId(image)));
    });
  }

  /** Short names, relative to the folder: mount(2)'s options end at one page. */
  async #join(image: Digest, paths: readonly string[]): Promise<void> {
    const folder = join(this.#folder, shortId(image));
    for (const [index, path] of paths.entries()) await mountLayer(path, join(folder, String(index)));
    const lower = paths
      .map((_, index) => index)
      .toReversed()
      .join(':');
    await mountOnHost({
      type: 'overlay',
      source: 'overlay',
      options: `ro,lowerdir=${lower}`,
      target: this.root(image),
      folder,
    });
  }
}

/** An EROFS image or, where the kernel has no EROFS, a plain folder. */
async function mountLayer(path: string, target: string): Promise<void> {
  const isFolder = (await stat(path)).isDirectory();
  await mountOnHost(
    isFolder
      ? { type: 'none', source: path, options: 'bind,ro', target }
      : { type: 'erofs', source: path, options: 'ro', target },
  );
}
