import { createReadStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type Pack, pack } from 'tar-stream';
import {
  type ArchivedFile,
  type ArchiveIndex,
  archiveIndex,
  diskFileName,
  INDEX_NAME,
  VARIABLES_NAME,
} from './archive-index.ts';
import { digestOfFile } from './bring-image.ts';
import type { ExportedMachine, MachineDisks } from './contract.ts';
import { explainNoSpace } from './qemu-img.ts';

/** A file of the archive and where it lies meanwhile. */
interface Member extends ArchivedFile {
  readonly name: string;
  readonly path: string;
}

/** See {@link MachineArchives.export}. */
export async function exportMachine(
  machine: ExportedMachine,
  temporary: string,
  machineDisks: MachineDisks,
  signal?: AbortSignal,
): Promise<Readable> {
  const folder = await mkdtemp(join(temporary, 'machine-export-'));
  const remove = () => rm(folder, { recursive: true, force: true });
  try {
    const members: Member[] = [];
    const disks: ArchiveIndex['disks'][number][] = [];
    for (const disk of machine.disks) {
      const path = join(folder, `${disk.name}.qcow2`);
      await machineDisks.flatten(disk, path, signal);
      const file = await describe(path, signal);
      const size = await machineDisks.size({ ...disk, path, backing: [] });
      disks.push({ name: disk.name, size, ...file });
      members.push({ name: diskFileName(disk.name), path, ...file });
    }
    const variables = machine.variables && (await describe(machine.variables, signal));
    if (machine.variables && variables) {
      members.push({ name: VARIABLES_NAME, path: machine.variables, ...variables });
    }
    const { description } = machine;
    const index = archiveIndex({ description, disks, ...(variables ? { variables } : {}) });
    return Readable.from(packed(Buffer.from(index), members, remove), { objectMode: false });
  } catch (error) {
    await remove();
    throw explainNoSpace(error, 'the disks of the machine, written to be exported');
  }
}

async function describe(path: string, signal: AbortSignal | undefined): Promise<ArchivedFile> {
  const { digest, size } = await digestOfFile(path, signal);
  return { bytes: size, sha256: digest };
}

/** The temporary files are gone when the reader has gone, however early. */
async function* packed(
  index: Buffer,
  members: readonly Member[],
  remove: () => Promise<void>,
): AsyncGenerator<Buffer> {
  const archive = pack();
  const filling = fill(archive, index, members).catch((error: unknown) =>
    archive.destroy(error instanceof Error ? error : new Error(String(error))),
  );
  try {
    yield* archive as AsyncIterable<Buffer>;
  } finally {
    archive.destroy(); // for a reader that leaves early
    await filling;
    await remove();
  }
}

async function fill(archive: Pack, index: Buffer, members: readonly Member[]): Promise<void> {
  const common = { mtime: new Date(0), uid: 0, gid: 0, mode: 0o600 };
  archive.entry({ ...common, name: INDEX_NAME, size: index.length }, index);
  for (const { name, path, bytes } of members) {
    await pipeline(createReadStream(path), archive.entry({ ...common, name, size: bytes }));
  }
  archive.finalize();
}
