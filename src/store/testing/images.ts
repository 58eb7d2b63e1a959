import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { type Header, type Pack, pack } from 'tar-stream';
import { run, runChecked } from '../../base/index.ts';
import type { Store } from '../contract.ts';
import type { LayerFormatName } from '../layer-format.ts';
import { openStore } from '../open-store.ts';
import { TarReader } from '../tar/reader.ts';
import { type UnpackedLayer, unpackLayer } from '../unpack/unpack-layer.ts';
import { canonicalTarArguments } from './canonical-tar.ts';
import { placeTree } from './place-tree.ts';

/** Why tests that mount images cannot run here; undefined where they can. */
export async function mountObstacle(): Promise<string | undefined> {
  if (process.getuid?.() !== 0) return 'needs root to mount';
  const fileSystems = await readFile('/proc/filesystems', 'utf8');
  return fileSystems.includes('\terofs\n') ? undefined : 'needs a kernel with EROFS';
}

/** A folder for one test, removed with `await using`. */
export async function temporaryFolder(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'berth-store-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

/** A store in a folder of its own, closed and removed with `await using`. */
export async function temporaryStore(
  layerFormat: LayerFormatName = 'erofs',
): Promise<AsyncDisposable & { readonly store: Store; readonly root: string }> {
  const folder = await temporaryFolder();
  const stop = new AbortController();
  const store = await openStore({ dataRoot: folder.path, signal: stop.signal, layerFormat, placeTree });
  return {
    store,
    root: folder.path,
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      await store[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

/** The files below a data root, relative and sorted, without the database's own. */
export async function filesIn(root: string): Promise<string[]> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() && !entry.name.startsWith('metadata.db'))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .sort();
}

/** One entry of a tar under test: a header as tar-stream takes it, and its content. */
export interface TestEntry {
  readonly header: Partial<Header> & { readonly name: string };
  readonly content?: string | Buffer;
}

/** An archive of these entries, written by tar-stream: another hand than the reader's. */
export async function tarOf(entries: readonly TestEntry[]): Promise<Buffer> {
  const archive: Pack = pack();
  for (const { header: given, content } of entries) {
    const header = { mtime: new Date(0), ...given }; // not now: the same entries give the same bytes
    if (content === undefined) archive.entry(header);
    else archive.entry(header, content);
  }
  archive.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of archive) chunks.push(Buffer.from(chunk as Uint8Array));
  return Buffer.concat(chunks);
}

/** Unpacks a tar into an image file or a folder, in this thread. */
export async function layerOf(
  tar: Buffer | Readable,
  path: string,
  { format, chunkSize = 64 * 1024 }: { readonly format: LayerFormatName; readonly chunkSize?: number },
): Promise<UnpackedLayer> {
  const source = tar instanceof Readable ? tar : inChunks(tar, chunkSize);
  const expected = undefined;
  if (format === 'erofs') return unpackLayer(source, { output: { format, imagePath: path }, expected });
  const parts = { contentsPath: `${path}.contents`, entriesPath: `${path}.entries` };
  const unpacked = await unpackLayer(source, { output: { format, ...parts }, expected });
  await mkdir(path);
  await placeTree({ directory: path, ...parts, signal: new AbortController().signal });
  return unpacked;
}

function inChunks(tar: Buffer, size: number): Readable {
  const chunks = Array.from({ length: Math.ceil(tar.length / size) }, (_, i) =>
    tar.subarray(i * size, (i + 1) * size),
  );
  return Readable.from(chunks, { objectMode: false });
}

/** What fsck.erofs complains about; empty for a clean image. */
export async function fsck(image: string): Promise<string> {
  const { code, stdout, stderr } = await run('fsck.erofs', [image]);
  return code === 0 ? stderr : `exit code ${code}: ${stdout}${stderr}`;
}

/** The tree of an image or folder, mounted, as {@link canonicalTarArguments} writes it; of several, joined by overlayfs, lowest first. */
export async function mountedTree(...images: string[]): Promise<Buffer> {
  return runUnshared('list-image.ts', images);
}

/** What a program prints whose working directory is the mounted layer. Throws when it fails. */
export async function inMounted(layer: string, command: readonly string[]): Promise<string> {
  return (await runUnshared('list-image.ts', [layer, '--', ...command])).toString();
}

/** Runs a program of this folder in a mount namespace of its own; returns what it prints. */
export async function runUnshared(program: string, arguments_: readonly string[] = []): Promise<Buffer> {
  const path = fileURLToPath(new URL(program, import.meta.url));
  const { stdout } = await runChecked('unshare', ['--mount', process.execPath, path, ...arguments_]);
  return stdout;
}

/** The tree that GNU tar unpacks, in the same form. */
export async function gnuTree(tar: Buffer, folder: string): Promise<Buffer> {
  await mkdir(folder);
  const extract = [
    '--extract',
    '--preserve-permissions',
    '--numeric-owner',
    '--xattrs',
    '--xattrs-include=*',
    '--delay-directory-restore',
  ];
  await runChecked('tar', [...extract, `--directory=${folder}`], { input: tar });
  const { stdout } = await runChecked('tar', canonicalTarArguments(folder));
  return stdout;
}

/** All that a tar says, a line per entry: for readable differences, and because tar lists xattrs in the file system's order. */
export function listing(tar: Buffer): string {
  const lines: string[] = [];
  let hash = createHash('sha256');
  const reader = new TarReader({
    entry({ xattrs, ...entry }) {
      hash = createHash('sha256');
      const sorted = [...xattrs].sort().map(([name, value]) => `${name}=${value.toString('base64')}`);
      lines.push(JSON.stringify({ ...entry, xattrs: sorted }));
    },
    data(chunk) {
      hash.update(chunk);
      lines[lines.length - 1] =
        `${lines.at(-1)?.replace(/ sha256:.*/, '')} sha256:${hash.copy().digest('hex')}`;
    },
    hole() {},
  });
  reader.push(tar);
  reader.end();
  return lines.join('\n');
}
