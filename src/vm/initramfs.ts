/** An entry of an archive that the kernel unpacks as its first root. */
export type InitramfsEntry =
  | { readonly kind: 'folder'; readonly path: string }
  | {
      readonly kind: 'file';
      readonly path: string;
      readonly content: Uint8Array;
      readonly executable?: boolean;
    }
  | { readonly kind: 'device'; readonly path: string; readonly major: number; readonly minor: number };

const FOLDER = 0o040755;
const FILE = 0o100644;
const PROGRAM = 0o100755;
const CHARACTER_DEVICE = 0o020600;

/**
 * A cpio archive in the kernel's "newc" format (Documentation/driver-api/early-userspace/buffer-format.rst). The same
 * entries give the same bytes: everything belongs to root and is of the epoch. Folders come before what they hold.
 */
export function writeInitramfs(entries: readonly InitramfsEntry[]): Buffer {
  const parts = entries.flatMap((entry, index) => entryParts(index + 1, entry));
  return Buffer.concat([...parts, ...memberParts({ inode: 0, mode: 0, path: 'TRAILER!!!' })]);
}

function entryParts(inode: number, entry: InitramfsEntry): Uint8Array[] {
  const { path } = entry;
  if (entry.kind === 'folder') return memberParts({ inode, mode: FOLDER, path });
  if (entry.kind === 'device') {
    return memberParts({ inode, mode: CHARACTER_DEVICE, path, device: [entry.major, entry.minor] });
  }
  return memberParts({ inode, mode: entry.executable ? PROGRAM : FILE, path, content: entry.content });
}

interface Member {
  readonly inode: number;
  readonly mode: number;
  readonly path: string;
  readonly content?: Uint8Array;
  readonly device?: readonly [number, number];
}

function memberParts({
  inode,
  mode,
  path,
  content = new Uint8Array(),
  device = [0, 0],
}: Member): Uint8Array[] {
  const name = Buffer.from(`${path}\0`);
  const [owner, group, links, time, checksum] = [0, 0, 1, 0, 0];
  const numbers = [
    inode,
    mode,
    owner,
    group,
    links,
    time,
    content.length,
    0,
    0,
    ...device,
    name.length,
    checksum,
  ];
  const head = Buffer.from(`070701${numbers.map((number) => number.toString(16).padStart(8, '0')).join('')}`);
  return [head, name, padding(head.length + name.length), content, padding(content.length)];
}

/** Names and contents end at a multiple of four bytes. */
function padding(length: number): Uint8Array {
  return new Uint8Array(-length & 3);
}
