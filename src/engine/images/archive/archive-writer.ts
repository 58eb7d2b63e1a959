import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { pack } from 'tar-stream';
import { type Digest, digestHex } from '../../../base/index.ts';
import type { ContentStore } from '../../../store/index.ts';

/** A file of an image archive: bytes, or a blob of the content store. */
export type ArchiveMember =
  | { readonly name: string; readonly bytes: Buffer }
  | { readonly name: string; readonly blob: Digest; readonly size: number };

/** The place of a blob in an OCI image layout. */
export function blobPath(digest: Digest): string {
  return `blobs/sha256/${digestHex(digest)}`;
}

/**
 * A tar of these files, read from the store as it is read. Names come in order, and times, modes and owners are those of
 * dockerd: the same images always give the same bytes.
 */
export function writeArchive(content: ContentStore, members: readonly ArchiveMember[]): Readable {
  return Readable.from(packed(content, members), { objectMode: false });
}

async function* packed(content: ContentStore, members: readonly ArchiveMember[]): AsyncGenerator<Buffer> {
  const archive = pack();
  const filling = fill(archive, content, members).catch((error: unknown) =>
    archive.destroy(error instanceof Error ? error : new Error(String(error))),
  );
  try {
    yield* archive as AsyncIterable<Buffer>;
  } finally {
    archive.destroy(); // for a reader that leaves early
    await filling;
  }
}

async function fill(
  archive: ReturnType<typeof pack>,
  content: ContentStore,
  members: readonly ArchiveMember[],
): Promise<void> {
  const common = { mtime: new Date(0), uid: 0, gid: 0 };
  for (const name of ['blobs/', 'blobs/sha256/'])
    archive.entry({ ...common, name, type: 'directory', mode: 0o755 });
  for (const member of members.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    const { name } = member;
    const mode = name.endsWith('.json') ? 0o644 : 0o444;
    if ('bytes' in member) archive.entry({ ...common, name, mode, size: member.bytes.length }, member.bytes);
    else {
      const entry = archive.entry({ ...common, name, mode, size: member.size });
      await pipeline(await content.open(member.blob), entry);
    }
  }
  archive.finalize();
}
