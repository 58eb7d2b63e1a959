import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import { BerthError, invalid, runChecked } from '../base/index.ts';

/** How kernels and their modules are packed, and the bytes that each format begins with. */
const formats = [
  { name: 'gzip', magic: [0x1f, 0x8b] },
  { name: 'zstd', magic: [0x28, 0xb5, 0x2f, 0xfd] },
  { name: 'xz', magic: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00] },
  { name: 'lz4', magic: [0x02, 0x21, 0x4c, 0x18] },
] as const;

export type CompressionName = (typeof formats)[number]['name'];

/** How `data` is compressed; undefined: not at all, or in a way that berth does not know. */
export function compressionOf(data: Uint8Array): CompressionName | undefined {
  return formats.find(({ magic }) => magic.every((byte, at) => data[at] === byte))?.name;
}

/**
 * What compressed `data` holds; bytes behind its end are ignored, as a kernel has its length there. `subject` names it
 * in errors. xz and lz4 need the programs of these names (`unavailable` without them).
 */
export async function decompress(subject: string, data: Uint8Array, signal?: AbortSignal): Promise<Buffer> {
  const format = compressionOf(data);
  if (format === undefined) throw invalid(`${subject} is compressed in a way that is not known`);
  try {
    if (format === 'gzip') return gunzipSync(data);
    if (format === 'zstd') return zstdDecompressSync(data);
    return await byProgram(format, data, signal);
  } catch (error) {
    if (error instanceof BerthError || signal?.aborted) throw error;
    throw invalid(`${subject} cannot be decompressed (${format})`, { cause: error });
  }
}

async function byProgram(format: 'xz' | 'lz4', data: Uint8Array, signal?: AbortSignal): Promise<Buffer> {
  const args = format === 'xz' ? ['-dc', '--single-stream'] : ['-dc'];
  const options = signal === undefined ? { input: data } : { input: data, signal };
  return (await runChecked(format, args, options)).stdout;
}
