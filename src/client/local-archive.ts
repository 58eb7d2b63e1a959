import { createReadStream, createWriteStream } from 'node:fs';
import {
  chmod,
  lchown,
  link,
  lstat,
  mkdir,
  readdir,
  readlink,
  symlink,
  unlink,
  utimes,
} from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { extract, type Header, type Pack, pack } from 'tar-stream';
import { errorMessage, invalid, notImplemented, runChecked, systemErrorCode } from '../base/index.ts';

/** A file or folder of this host as a tar whose names begin with `name`. Sockets are left out. Errors destroy the stream. */
export function packLocal(source: string, name: string): Readable {
  const tar = pack();
  packTree(tar, source, name).then(
    () => tar.finalize(),
    (error: unknown) => tar.destroy(error instanceof Error ? error : new Error(errorMessage(error))),
  );
  return Readable.from(tar, { objectMode: false });
}

async function packTree(tar: Pack, source: string, name: string): Promise<void> {
  const stats = await lstat(source);
  const { uid, gid, mtime, size } = stats;
  const header = { name, mode: stats.mode & 0o7777, mtime, uid, gid };
  if (stats.isDirectory()) {
    await packHeader(tar, { ...header, type: 'directory' });
    for (const child of (await readdir(source)).sort())
      await packTree(tar, join(source, child), `${name}/${child}`);
  } else if (stats.isSymbolicLink()) {
    await packHeader(tar, { ...header, type: 'symlink', linkname: await readlink(source) });
  } else if (stats.isFIFO()) {
    await packHeader(tar, { ...header, type: 'fifo' });
  } else if (stats.isFile() && size === 0) {
    await packHeader(tar, { ...header, size });
  } else if (stats.isFile()) {
    // A file that grows meanwhile is sent as long as it was: the header is gone already.
    await pipeline(createReadStream(source, { end: size - 1 }), tar.entry({ ...header, size }));
  } else if (!stats.isSocket()) {
    throw notImplemented(`${source} is a device: copying devices is not implemented`);
  }
}

function packHeader(tar: Pack, header: Parameters<Pack['entry']>[0]): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  tar.entry(header, '', (error) => (error == null ? resolve() : reject(error)));
  return promise;
}

export interface UnpackOptions {
  /** What the first component of the archive's names becomes; with `contentOnly`, the folder for all of them. */
  readonly root: string;
  readonly contentOnly: boolean;
  /** Keep the archive's owners: only root can. */
  readonly owners: boolean;
}

/**
 * Unpacks a tar on this host. Nothing is written outside `root`, whatever names and links the archive has. Throws
 * `invalid` where a file would take the place of a folder or the other way round.
 */
export async function unpackLocal(archive: Readable, options: UnpackOptions): Promise<void> {
  const unpacking = new Unpacking(options);
  const tar = extract();
  const fed = pipeline(archive, tar);
  fed.catch(() => {}); // the loop below is told, too
  for await (const entry of tar) await unpacking.add(entry);
  await fed;
  await unpacking.finish();
}

type ArchiveEntry = ReturnType<typeof extract> extends AsyncIterable<infer Source> ? Source : never;

class Unpacking {
  readonly #options: UnpackOptions;
  /** Folders below the root that are real ones, not symlinks to elsewhere. */
  readonly #folders = new Set<string>();
  readonly #made: { readonly path: string; readonly header: Header }[] = [];

  constructor(options: UnpackOptions) {
    this.#options = options;
  }

  async add(entry: ArchiveEntry): Promise<void> {
    const { header } = entry;
    const path = this.#target(header.name);
    await this.#enter(path);
    if (header.type === 'directory') await this.#folder(path, header);
    else await this.#file(path, entry);
    entry.resume();
  }

  /** Modes and times of folders come last: what is put into a folder changes its time. */
  async finish(): Promise<void> {
    for (const { path, header } of this.#made.reverse()) await this.#describe(path, header);
  }

  #target(name: string): string {
    const parts = name.split('/').filter((part) => part !== '' && part !== '.');
    if (parts.includes('..')) throw invalid(`the entry "${name}" leads out of the archive's folder`);
    return join(this.#options.root, ...parts.slice(this.#options.contentOnly ? 0 : 1));
  }

  /** Makes the folders on the way from the root, and refuses to go through a link. */
  async #enter(path: string): Promise<void> {
    const parent = dirname(path);
    const { root } = this.#options;
    if (path === root || this.#folders.has(parent)) return;
    if (parent !== root) await this.#enter(parent);
    const stats = await statOf(parent);
    if (stats === undefined) await mkdir(parent);
    else if (!stats.isDirectory()) throw invalid(`${parent} is not a directory`);
    this.#folders.add(parent);
  }

  async #folder(path: string, header: Header): Promise<void> {
    const stats = await statOf(path);
    if (stats?.isDirectory() === true) return;
    if (stats !== undefined)
      throw invalid(`cannot overwrite non-directory "${path}" with directory "${header.name}"`);
    await mkdir(path, { mode: 0o700 });
    this.#made.push({ path, header });
  }

  async #file(path: string, entry: ArchiveEntry): Promise<void> {
    const { header } = entry;
    const stats = await statOf(path);
    if (stats?.isDirectory() === true) {
      throw invalid(`cannot overwrite directory "${path}" with non-directory "${header.name}"`);
    }
    if (stats !== undefined) await unlink(path);
    const { linkname } = header;
    switch (header.type) {
      case 'symlink':
        await symlink(linkname, path);
        return;
      case 'link': {
        const first = this.#target(linkname);
        await this.#enter(first);
        await link(first, path);
        return;
      }
      case 'file':
      case 'contiguous-file':
        await pipeline(entry, createWriteStream(path, { flags: 'wx', mode: 0o600 }));
        await this.#describe(path, header);
        return;
      case 'fifo':
        await runChecked('mkfifo', [path]);
        await this.#describe(path, header);
        return;
      default: {
        // Node has no mknod(2).
        const kind = header.type === 'block-device' ? 'b' : 'c';
        await runChecked('mknod', [path, kind, String(header.devmajor), String(header.devminor)]);
        await this.#describe(path, header);
      }
    }
  }

  /** Owner before mode, because chown(2) clears setuid. */
  async #describe(path: string, { uid, gid, mode, mtime }: Header): Promise<void> {
    if (this.#options.owners) await lchown(path, uid, gid);
    await chmod(path, mode);
    await utimes(path, mtime, mtime);
  }
}

async function statOf(path: string) {
  try {
    return await lstat(path);
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}
