import type { ComputerDisk } from './contract.ts';

/** A file as QEMU's block layer opens it. Every format is said, so that none is probed. */
export type BlockNode = Readonly<Record<string, unknown>>;

/**
 * A disk with all that is behind it. Files name what is behind them, too: that is never followed, as each has `backing` here.
 * `file` is what QEMU calls the disk's own file, `behind` the same of those behind it.
 */
export function diskNode({ name }: Pick<ComputerDisk, 'name'>, file: string, behind: readonly Backing[]): BlockNode {
  return {
    ...{ 'node-name': diskId(name), driver: 'qcow2', discard: 'unmap' },
    file: { driver: 'file', filename: file, discard: 'unmap' },
    backing: backingNode(behind),
  };
}

interface Backing {
  readonly path: string;
  readonly format: 'qcow2' | 'raw';
}

function backingNode([first, ...rest]: readonly Backing[]): BlockNode | null {
  if (first === undefined) return null;
  const { path, format } = first;
  const node = { driver: format, 'read-only': true, file: readOnlyFile(path) };
  return format === 'raw' ? node : { ...node, backing: backingNode(rest) };
}

/** A file of which each byte is one of the disk. */
export function mediumNode(name: string, path: string): BlockNode {
  return { 'node-name': diskId(name), driver: 'raw', 'read-only': true, file: readOnlyFile(path) };
}

export function readOnlyFile(filename: string): BlockNode {
  return { driver: 'file', filename, 'read-only': true };
}

/** What QEMU calls the disk as a node and as a device. */
export function diskId(name: string): string {
  return `disk-${name}`;
}
