import { invalid } from '../../../base/index.ts';
import type { DiskFormat } from './contract.ts';
import { isQcow2 } from './qcow2-header.ts';

/** Other formats of disk images, by what their files begin with. */
const others: readonly { readonly name: string; readonly magic: Buffer; readonly at: number }[] = [
  { name: 'VMDK', magic: Buffer.from('KDMV'), at: 0 },
  { name: 'VMDK', magic: Buffer.from('# Disk DescriptorFile'), at: 0 },
  { name: 'VHDX', magic: Buffer.from('vhdxfile'), at: 0 },
  { name: 'VHD', magic: Buffer.from('conectix'), at: 0 },
  { name: 'VDI', magic: Buffer.from([0x7f, 0x10, 0xda, 0xbe]), at: 64 },
  { name: 'QED', magic: Buffer.from('QED\0'), at: 0 },
  { name: 'LUKS', magic: Buffer.from([0x4c, 0x55, 0x4b, 0x53, 0xba, 0xbe]), at: 0 },
];

/** How an image is called and what it begins with. */
export interface Beginning {
  /** For messages: its path or URL. */
  readonly subject: string;
  /** Its file's name, without the ending of a compression. */
  readonly name: string;
  readonly head: Buffer;
}

/**
 * The format of an image for which none was said: qcow2 by its first bytes; raw by its name only, as a raw disk may begin
 * with anything, and whoever writes to it could make it look like a format that names other files. Throws `invalid` where name
 * and first bytes disagree or say nothing.
 */
export function chooseFormat({ subject, name, head }: Beginning): DiskFormat {
  const isNamedRaw = /\.(raw|img)$/i.test(name);
  const found = isQcow2(head) ? 'qcow2' : foreignFormat(head);
  if (found === 'qcow2' && !isNamedRaw) return found;
  if (found === undefined && isNamedRaw) return 'raw';
  if (found === 'qcow2') {
    throw invalid(`${subject} is called a raw image, but begins as qcow2 ones do`, {
      hint: 'Say which it is: --format qcow2 or --format raw',
    });
  }
  if (found === undefined) {
    throw invalid(`${subject} is no qcow2 image`, { hint: 'If it is a raw disk, say so: --format raw' });
  }
  throw invalid(`${subject} is a ${found} image; machines are made from qcow2 and raw ones`, {
    hint: 'Convert it: qemu-img convert -O qcow2 FILE NEW.qcow2',
  });
}

function foreignFormat(head: Buffer): string | undefined {
  return others.find(({ magic, at }) => head.subarray(at, at + magic.length).equals(magic))?.name;
}
