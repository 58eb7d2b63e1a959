/** What the beginning of a file says that the kernel would have to execute (execve(2), elf(5)). */
export type ProgramFile =
  | { readonly kind: 'empty' }
  | {
      readonly kind: 'script';
      /** As it is written: a carriage return is a part of it. */
      readonly interpreter: string;
    }
  | {
      readonly kind: 'elf';
      /** e_machine. */
      readonly machine: number;
      readonly isProgram: boolean;
      /** The loader that it asks for (PT_INTERP); undefined: none, it is linked statically. */
      readonly loader: string | undefined;
    }
  | { readonly kind: 'foreign'; readonly system: string }
  | { readonly kind: 'text' }
  | { readonly kind: 'unknown' };

/** Enough of a file to read it by: a "#!" line, or the headers of an ELF file and the name of its loader. */
export const HEAD_BYTES = 4096;

/** Reads the first {@link HEAD_BYTES} of a file, or all of a shorter one. */
export function readProgramFile(head: Buffer): ProgramFile {
  if (head.length === 0) return { kind: 'empty' };
  if (head.toString('latin1', 0, 2) === '#!') return readScript(head);
  if (head.length >= 20 && head.readUInt32BE(0) === ELF_MAGIC) return readElf(head);
  const system = FOREIGN_MAGIC.find(({ magic }) => head.subarray(0, magic.length).equals(magic))?.system;
  if (system !== undefined) return { kind: 'foreign', system };
  return { kind: head.includes(0) ? 'unknown' : 'text' };
}

const ELF_MAGIC = 0x7f454c46;

const FOREIGN_MAGIC = [
  { magic: Buffer.from('MZ'), system: 'Windows' },
  ...[0xcffaedfe, 0xcefaedfe, 0xcafebabe].map((number) => ({ magic: bigEndian(number), system: 'macOS' })),
];

function bigEndian(number: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(number);
  return bytes;
}

function readScript(head: Buffer): ProgramFile {
  const line = head.toString('latin1', 2).split('\n', 1)[0] ?? '';
  const interpreter = /^[ \t]*([^ \t]*)/.exec(line)?.[1] ?? '';
  return { kind: 'script', interpreter };
}

const PT_INTERP = 3;
/** e_type of programs: ET_EXEC and ET_DYN (those that may lie anywhere). */
const PROGRAM_TYPES = [2, 3];

/** Where the fields lie that differ between files of 32 and of 64 bits. */
const LAYOUTS = {
  1: { table: 28, entrySize: 42, entries: 44, offset: 4, size: 16, wide: false, header: 52, entry: 32 },
  2: { table: 32, entrySize: 54, entries: 56, offset: 8, size: 32, wide: true, header: 64, entry: 56 },
} as const;

type Layout = (typeof LAYOUTS)[1 | 2];

/** Machines of either byte order are told; the loader is read of little-endian files, which is what runs here. */
function readElf(head: Buffer): ProgramFile {
  const isLittle = head[5] !== 2;
  const half = (at: number) => (isLittle ? head.readUInt16LE(at) : head.readUInt16BE(at));
  const layout = head[4] === 1 ? LAYOUTS[1] : LAYOUTS[2];
  const loader = isLittle && head.length >= layout.header ? readLoader(head, layout) : undefined;
  return { kind: 'elf', machine: half(18), isProgram: PROGRAM_TYPES.includes(half(16)), loader };
}

function readLoader(head: Buffer, layout: Layout): string | undefined {
  const word = (at: number) => (layout.wide ? Number(head.readBigUInt64LE(at)) : head.readUInt32LE(at));
  const table = word(layout.table);
  const entrySize = head.readUInt16LE(layout.entrySize);
  for (let index = 0; index < head.readUInt16LE(layout.entries); index += 1) {
    const at = table + index * entrySize;
    if (at + layout.entry > head.length) return undefined;
    if (head.readUInt32LE(at) !== PT_INTERP) continue;
    const offset = word(at + layout.offset);
    const name = head.subarray(offset, offset + word(at + layout.size)).toString();
    return name.split('\0', 1)[0] || undefined;
  }
  return undefined;
}

/** Names of e_machine as platforms of images have them; the kernel's own number where they have none. */
export function machineName(machine: number): string {
  return MACHINES[machine] ?? `machine ${machine}`;
}

const MACHINES: Readonly<Record<number, string>> = {
  3: '386',
  8: 'mips',
  20: 'ppc',
  21: 'ppc64le',
  22: 's390x',
  40: 'arm',
  62: 'amd64',
  183: 'arm64',
  243: 'riscv64',
  258: 'loong64',
};
