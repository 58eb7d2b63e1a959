import { createHash } from 'node:crypto';
import { posix } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import {
  type Digest,
  digestFromHex,
  digestHex,
  errorMessage,
  invalid,
  isDecompressionError,
  isDigest,
} from '../../../base/index.ts';
import { type ArchiveEntry, type ContentStore, type Holding, tarEntries } from '../../../store/index.ts';
import { plainTar } from '../../plain-tar.ts';
import { counted } from '../progress-steps.ts';

/** A file of an archive that is in the content store now. */
export interface ReceivedFile {
  readonly path: string;
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
}

/** What says which images an archive holds (OCI image-layout.md; `docker save` since 1.10). */
const DOCUMENTS = ['index.json', 'manifest.json', 'oci-layout'];
/** What Docker's archives had for versions before 1.10: each layer's config in a format of its own, and the names once more. */
const OUTDATED = /^(repositories|[^/]+\/(json|VERSION))$/;
const BLOB = /^blobs\/sha256\/([0-9a-f]{64})$/;

/** Far above the largest honest ones: these are held in memory. */
const MAX_DOCUMENT = 8 * 1024 * 1024;
/** What is held of each file until the end, beside its path. */
const FILE_SIZE = 400;
/** Bounds what is held of all files together: of an archive of 500 images with 60,000 files it is less. */
const MAX_FILES_SIZE = 64 * 1024 * 1024;
const MAX_LINKS_IN_A_ROW = 10;

/** An image archive, read once from end to end: the few documents in memory, all other files in the content store. */
export class ReceivedArchive {
  readonly #files = new Map<string, ReceivedFile>();
  readonly #documents = new Map<string, Buffer>();
  /** Symlinks and hard links lead to other files of the archive, or nowhere; they are never made on a disk. */
  readonly #links = new Map<string, string>();
  #size = 0;

  /** One of the {@link DOCUMENTS}, parsed as JSON; undefined where there is none. Throws `invalid` when it is no JSON. */
  document(name: string): unknown {
    const bytes = this.documentBytes(name);
    if (bytes === undefined) return undefined;
    try {
      return JSON.parse(bytes.toString());
    } catch (error) {
      throw invalid(`${name} of the archive is no JSON`, { cause: error });
    }
  }

  documentBytes(name: string): Buffer | undefined {
    return this.#documents.get(this.#follow(name));
  }

  /** The file at a path, links followed; undefined where there is none. */
  file(path: string): ReceivedFile | undefined {
    return this.#files.get(this.#follow(posix.normalize(path)));
  }

  blob(digest: Digest): ReceivedFile | undefined {
    return this.file(`blobs/sha256/${digestHex(digest)}`);
  }

  /** @internal */
  put(path: string, content: { file: ReceivedFile } | { document: Buffer } | { link: string }): void {
    for (const map of [this.#files, this.#documents, this.#links]) map.delete(path); // the last one counts
    if ('file' in content) this.#files.set(path, content.file);
    else if ('document' in content) this.#documents.set(path, content.document);
    else this.#links.set(path, content.link);
    this.#size += FILE_SIZE + path.length + ('link' in content ? content.link.length : 0);
    if (this.#size > MAX_FILES_SIZE) throw invalid('the archive has more files than those of images are');
  }

  #follow(path: string): string {
    let current = path;
    for (let hops = 0; hops <= MAX_LINKS_IN_A_ROW; hops += 1) {
      const target = this.#links.get(current);
      if (target === undefined) return current;
      current = target;
    }
    throw invalid(`the archive's links from "${path}" lead in a circle`);
  }
}

/** Where {@link receiveArchive} puts what it reads. */
export interface ArchiveReceiver {
  readonly content: ContentStore;
  /** Gets all that is stored. */
  readonly holding: Holding;
  readonly signal: AbortSignal;
  /** Bytes of one file so far. */
  readonly onProgress: (file: { path: string; size: number }, bytes: number) => void;
  /** Stores a blob; throws `invalid` when it has another digest. */
  readonly writeBlob: (
    blob: { readonly digest: Digest; readonly size: number },
    source: Readable,
  ) => Promise<void>;
}

/**
 * Reads an image archive (plain, gzip or zstd) into the content store as it comes. Blobs are checked against the digest in
 * their name. Throws `invalid` for what is no tar, breaks off, leads out of the archive or has the wrong content.
 */
export async function receiveArchive(source: Readable, receiver: ArchiveReceiver): Promise<ReceivedArchive> {
  const archive = new ReceivedArchive();
  try {
    for await (const entry of tarEntries(await plainTar(source)))
      await receiveEntry(archive, entry, receiver);
  } catch (error) {
    if (!isDecompressionError(error)) throw error;
    throw invalid(`the archive's compressed data is broken: ${errorMessage(error)}`, { cause: error });
  }
  return archive;
}

async function receiveEntry(
  archive: ReceivedArchive,
  { entry, name, content }: ArchiveEntry,
  receiver: ArchiveReceiver,
): Promise<void> {
  const path = pathInside(textOf(entry.name), '.', name);
  switch (entry.type) {
    case 'directory':
      return;
    case 'file':
      if (OUTDATED.test(path)) return;
      if (DOCUMENTS.includes(path)) {
        if (entry.size > MAX_DOCUMENT) throw invalid(`${path} of the archive has ${entry.size} bytes`);
        return archive.put(path, { document: await buffer(Readable.from(content())) });
      }
      return archive.put(path, { file: await receiveFile(path, entry.size, content(), receiver) });
    case 'symlink':
      return archive.put(path, { link: pathInside(textOf(entry.target), posix.dirname(path), name) });
    case 'hardlink':
      return archive.put(path, { link: pathInside(textOf(entry.target), '.', name) });
    default:
      throw invalid(`the archive has "${name}", a ${entry.type}: no image archive has such a thing`);
  }
}

async function receiveFile(
  path: string,
  size: number,
  chunks: AsyncIterable<Buffer>,
  { content, holding, signal, onProgress, writeBlob }: ArchiveReceiver,
): Promise<ReceivedFile> {
  const source = Readable.from(
    counted(chunks, (bytes) => onProgress({ path, size }, bytes)),
    { objectMode: false },
  );
  const expected = `sha256:${BLOB.exec(path)?.[1] ?? ''}`;
  if (!isDigest(expected)) {
    const { digest } = await content.add(source, signal);
    holding.add(digest);
    return { path, digest, size };
  }
  holding.add(expected);
  if (await content.has(expected)) await check(source, expected);
  else await writeBlob({ digest: expected, size }, source);
  return { path, digest: expected, size };
}

/** What is in the store already is not written again, but an archive with something else under that name is broken. */
async function check(source: Readable, expected: Digest): Promise<void> {
  const hash = createHash('sha256');
  for await (const chunk of source) hash.update(chunk);
  const digest = digestFromHex(hash.digest('hex'));
  if (digest !== expected) throw invalid(`content that should have the digest ${expected} has ${digest}`);
}

/** A path of the archive, from a path as an entry has it, seen from a folder. Throws `invalid` when it leads out of the archive. */
function pathInside(path: string, folder: string, entryName: string): string {
  const normal = posix.normalize(posix.join(folder, path));
  if (path.startsWith('/') || normal === '..' || normal.startsWith('../')) {
    throw invalid(`the archive's entry "${entryName}" leads out of the archive`);
  }
  return normal;
}

const textOf = (bytes: string) => Buffer.from(bytes, 'latin1').toString();
