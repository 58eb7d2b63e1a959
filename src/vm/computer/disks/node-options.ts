import type { DiskFormat } from './contract.ts';

/** A file of a disk, the next one behind it, and so on. */
export interface ImageFile {
  readonly path: string;
  readonly format: DiskFormat;
}

/**
 * QEMU's pseudo-protocol "json:" for a file with all that stands behind it. It says each file and format, and for the last one
 * that nothing is behind it, so that a name inside a file is never followed.
 */
export function imageName(file: ImageFile, backing: readonly ImageFile[] = []): string {
  return `json:${JSON.stringify(nodeOptions(file, backing))}`;
}

/** The same as options of a node of QEMU's block layer. */
export function nodeOptions(
  { path, format }: ImageFile,
  backing: readonly ImageFile[],
): Record<string, unknown> {
  const file = { driver: 'file', filename: path };
  if (format === 'raw') return { driver: 'raw', file };
  const [next, ...rest] = backing;
  return { driver: 'qcow2', file, backing: next === undefined ? null : nodeOptions(next, rest) };
}
