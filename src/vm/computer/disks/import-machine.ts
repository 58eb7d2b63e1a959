import { open } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { extract, type Header } from 'tar-stream';
import { BerthError, crashPoint, invalid } from '../../../base/index.ts';
import {
  type ArchivedDisk,
  type ArchivedFile,
  type ArchiveIndex,
  diskFileName,
  INDEX_NAME,
  MOST_INDEX_BYTES,
  parseArchiveIndex,
  VARIABLES_NAME,
} from './archive-index.ts';
import { requireDigest } from './bring-image.ts';
import type { ImportedMachine } from './contract.ts';
import { IncomingImage } from './incoming-image.ts';
import { explainNoSpace, type QemuImg } from './qemu-img.ts';
import { receive } from './receive.ts';

/** See {@link MachineArchives.import}. */
export async function importMachine(
  archive: Readable,
  temporary: string,
  qemuImg: QemuImg,
  signal?: AbortSignal,
): Promise<ImportedMachine> {
  const reader = new ArchiveReader(temporary, qemuImg, signal);
  try {
    return await reader.read(archive);
  } catch (error) {
    await reader[Symbol.asyncDispose]();
    throw explainNoSpace(error, 'the disks of the machine that is imported');
  } finally {
    archive.destroy();
  }
}

type Entry = AsyncIterable<unknown> & { readonly header: Header };

/** Takes the files of an archive as they come; only those that its index names, each once. */
class ArchiveReader implements AsyncDisposable {
  readonly #temporary: string;
  readonly #qemuImg: QemuImg;
  readonly #signal: AbortSignal | undefined;
  readonly #files = new Map<string, IncomingImage>();

  constructor(temporary: string, qemuImg: QemuImg, signal: AbortSignal | undefined) {
    this.#temporary = temporary;
    this.#qemuImg = qemuImg;
    this.#signal = signal;
  }

  async read(archive: Readable): Promise<ImportedMachine> {
    const index = await this.#readEntries(archive);
    const missing = [...expectedFiles(index).keys()].find((name) => !this.#files.has(name));
    if (missing !== undefined) throw invalid(`the archive is cut off: ${missing} is missing`);
    for (const disk of index.disks) await this.#inspect(disk);
    crashPoint('archive.received');
    return {
      description: index.description,
      disks: index.disks.map(({ name, size }) => ({ name, size })),
      hasVariables: index.variables !== undefined,
      placeDisk: (name, path) => this.#place(diskFileName(name), path),
      placeVariables: (path) => this.#place(VARIABLES_NAME, path),
      [Symbol.asyncDispose]: () => this[Symbol.asyncDispose](),
    };
  }

  async #readEntries(archive: Readable): Promise<ArchiveIndex> {
    const entries = extract();
    const options = this.#signal === undefined ? {} : { signal: this.#signal };
    archive.on('error', (error) => entries.destroy(error)); // also one that comes when nobody reads any more
    archive.pipe(entries);
    let index: ArchiveIndex | undefined;
    try {
      for await (const entry of entries) {
        options.signal?.throwIfAborted();
        requireRegular(entry);
        if (index === undefined) index = await readIndex(entry);
        else await this.#readFile(entry, expectedFiles(index));
      }
    } catch (error) {
      throw explainArchive(error, this.#signal);
    }
    if (index === undefined) throw invalid('the archive is empty');
    return index;
  }

  async #readFile(entry: Entry, expected: ReadonlyMap<string, ArchivedFile>): Promise<void> {
    const { name, size } = entry.header;
    const file = expected.get(name);
    if (file === undefined)
      throw invalid(`the archive holds ${printable(name)}, which its index does not name`);
    if (this.#files.has(name)) throw invalid(`the archive holds ${name} twice`);
    if (size !== file.bytes)
      throw invalid(`${name} in the archive has ${size} bytes instead of ${file.bytes}`);
    const incoming = await IncomingImage.begin(this.#temporary);
    this.#files.set(name, incoming);
    const target = await open(incoming.path, 'wx', 0o600);
    try {
      const { received } = await receive(bytesOf(entry), target, {
        ...{ subject: name, compression: undefined, signal: this.#signal },
        ...{ onHead: () => {}, onBytes: () => {} },
      });
      requireDigest(`${name} in the archive`, received, file.sha256);
    } finally {
      await target.close();
    }
  }

  async #inspect(disk: ArchivedDisk): Promise<void> {
    const name = diskFileName(disk.name);
    const facts = await this.#files
      .get(name)
      ?.inspect('qcow2', `${name} in the archive`, this.#qemuImg, this.#signal);
    if (facts?.virtualSize === disk.size) return;
    throw invalid(`${name} in the archive is a disk of ${facts?.virtualSize} bytes instead of ${disk.size}`);
  }

  async #place(name: string, path: string): Promise<void> {
    const file = this.#files.get(name);
    if (file === undefined) throw invalid(`the archive has no ${name}`);
    await file.release(path);
    crashPoint('archive.placed');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const file of this.#files.values()) await file[Symbol.asyncDispose]();
  }
}

function expectedFiles(index: ArchiveIndex): Map<string, ArchivedFile> {
  const files = new Map<string, ArchivedFile>(index.disks.map((disk) => [diskFileName(disk.name), disk]));
  if (index.variables !== undefined) files.set(VARIABLES_NAME, index.variables);
  return files;
}

/** Links and devices have no place in an archive of a machine. */
function requireRegular({ header: { name, type } }: Entry): void {
  if (type === 'file' || type === 'contiguous-file') return;
  throw invalid(`the archive holds ${printable(name)}, which is no regular file (${type})`);
}

async function readIndex(entry: Entry): Promise<ArchiveIndex> {
  const { name, size = 0 } = entry.header;
  if (name !== INDEX_NAME) {
    throw invalid(
      `the archive begins with ${printable(name)} instead of ${INDEX_NAME}, so it is no machine's`,
    );
  }
  if (size > MOST_INDEX_BYTES) throw invalid(`${INDEX_NAME} in the archive has ${size} bytes`);
  return parseArchiveIndex((await buffer(bytesOf(entry))).toString());
}

/** What reading an archive throws, in words: the library's are about headers. */
function explainArchive(error: unknown, signal: AbortSignal | undefined): unknown {
  signal?.throwIfAborted();
  if (error instanceof BerthError || !(error instanceof Error)) return error;
  if (/invalid tar header|unexpected end of data/i.test(error.message)) {
    return invalid(`the archive is no tar, damaged or cut off (${error.message})`, { cause: error });
  }
  return error;
}

/** The library does not say what its streams are of. */
async function* bytesOf(entry: AsyncIterable<unknown>): AsyncGenerator<Buffer> {
  for await (const chunk of entry) if (Buffer.isBuffer(chunk)) yield chunk;
}

const printable = (name: string) => JSON.stringify(name.slice(0, 200));
