import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { type Pack, pack } from 'tar-stream';

const FILE_SIZE = 16 * 1024 * 1024;
const BLOCK_SIZE = 16 * 1024;
/** A block comes so many times: about as compressible as programs are. */
const REPEATS = 4;

/** A tar of about so many bytes, in large files whose content is another one each time. */
export function largeLayer(size: number): Readable {
  const archive = pack();
  void fill(archive, Math.ceil(size / FILE_SIZE)).catch((error: Error) => archive.destroy(error));
  return Readable.from(archive);
}

async function fill(archive: Pack, files: number): Promise<void> {
  for (let index = 0; index < files; index += 1) {
    const blocks = Array.from({ length: FILE_SIZE / BLOCK_SIZE / REPEATS }, () => randomBytes(BLOCK_SIZE));
    const content = Buffer.concat(blocks.flatMap((block) => Array(REPEATS).fill(block)));
    await promisify(archive.entry.bind(archive, { name: `large/${index}` }, content))();
  }
  archive.finalize();
}
