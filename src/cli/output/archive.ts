import { createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { invalid } from '../../base/index.ts';
import { requireFolder } from '../copy/local-path.ts';

/** Writes an archive that the engine sends to a file or, without one, to standard output, which must be no terminal. */
export async function writeArchive(open: () => Promise<Readable>, output: string | undefined): Promise<void> {
  if (output === undefined && process.stdout.isTTY) {
    throw invalid('cowardly refusing to save to a terminal. Use the -o flag or redirect');
  }
  if (output !== undefined) await requireFolder(dirname(resolve(output)));
  const archive = await open();
  if (output === undefined) await pipeline(archive, process.stdout, { end: false });
  else await writeWhole(archive, output);
}

/** A file that is there whole or not at all. */
async function writeWhole(archive: Readable, path: string): Promise<void> {
  const partial = `${path}.${process.pid}.partial`;
  try {
    await pipeline(archive, createWriteStream(partial));
    await rename(partial, path);
  } finally {
    await rm(partial, { force: true });
  }
}
