import { invalid } from '../base/index.ts';
import { architectureOfElf } from './architecture.ts';
import { compressionOf, decompress } from './decompress.ts';

/** A kernel as QEMU starts it fastest: not compressed. */
export interface KernelImage {
  /** "6.1.0-56-amd64". */
  readonly version: string;
  /** By its name in {@link architectureNames}, or "another machine". */
  readonly architecture: string;
  readonly data: Buffer;
}

/**
 * Takes the kernel out of a file: a vmlinux (ELF), a bzImage (Documentation/arch/x86/boot.rst) or arm64's Image, which
 * may be compressed. Throws `invalid` for anything else; `path` names it.
 */
export async function readKernelImage(
  path: string,
  file: Buffer,
  signal?: AbortSignal,
): Promise<KernelImage> {
  const data = await uncompressed(path, file, signal);
  const architecture = architectureOf(data);
  if (architecture === undefined) throw invalid(`${path} is not a Linux kernel`);
  const version = /Linux version (\S+) /.exec(data.toString('latin1'))?.[1];
  if (version === undefined) throw invalid(`${path} is not a Linux kernel: it does not say its version`);
  return { version, architecture, data };
}

async function uncompressed(path: string, file: Buffer, signal?: AbortSignal): Promise<Buffer> {
  const payload = bzImagePayload(file);
  if (payload !== undefined) return decompress(`the kernel in ${path}`, payload, signal);
  return compressionOf(file) === undefined ? file : decompress(path, file, signal);
}

/** The compressed vmlinux inside a bzImage; undefined when it is none. */
function bzImagePayload(file: Buffer): Buffer | undefined {
  if (file.length < 0x250 || file.toString('latin1', 0x202, 0x206) !== 'HdrS') return undefined;
  const setupSectors = file.readUInt8(0x1f1) || 4;
  const start = (setupSectors + 1) * 512 + file.readUInt32LE(0x248);
  return file.subarray(start, start + file.readUInt32LE(0x24c));
}

function architectureOf(data: Buffer): string | undefined {
  if (data.length < 64) return undefined;
  if (data.readUInt32BE(0) === 0x7f454c46)
    return architectureOfElf(data.readUInt16LE(18)) ?? 'another machine';
  return data.toString('latin1', 56, 60) === 'ARM\x64' ? 'arm64' : undefined;
}
