import type { ComputerDisk, ComputerMedium } from './contract.ts';
import { nodeOptions } from './disks/node-options.ts';

/** A file as QEMU's block layer opens it. */
export type BlockNode = Readonly<Record<string, unknown>>;

/** A disk with all that is behind it; paths are those that QEMU sees. What the guest deletes takes no room in its file. */
export function diskNode({ name, path, backing }: ComputerDisk): BlockNode {
  return {
    ...{ 'node-name': diskId(name), discard: 'unmap' },
    ...nodeOptions({ path, format: 'qcow2' }, backing),
  };
}

/** A file of which each byte is one of the medium. */
export function mediumNode({ name, path }: Pick<ComputerMedium, 'name' | 'path'>): BlockNode {
  return { 'node-name': mediumId(name), 'read-only': true, ...nodeOptions({ path, format: 'raw' }, []) };
}

/** What QEMU calls a disk, as a node and as a device. */
export function diskId(name: string): string {
  return `disk-${name}`;
}

export function mediumId(name: string): string {
  return `medium-${name}`;
}
