/** What a test wants of an ELF file. */
export interface ElfOptions {
  /** e_machine; default: this machine's. */
  readonly machine?: number;
  /** e_ident[EI_CLASS]: 1 is 32 bit, 2 is 64 bit. */
  readonly class?: 1 | 2;
  /** e_ident[EI_DATA]: 1 is little-endian, 2 is big-endian. */
  readonly data?: 1 | 2;
  /** The loader that the file asks for (PT_INTERP). */
  readonly interpreter?: string;
  /** Machine code; default: an instruction that no processor has. */
  readonly code?: Uint8Array;
}

const MACHINES: Partial<Record<NodeJS.Architecture, number>> = { x64: 62, arm64: 183 };

/** x86: ud2; arm64: udf. Both end the process with SIGILL. */
const CRASH = process.arch === 'x64' ? Buffer.from([0x0f, 0x0b]) : Buffer.alloc(4);

const HEADER = 64;
const PROGRAM_HEADER = 56;
const ADDRESS = 0x400000n;

/**
 * A 64-bit ELF executable (elf(5)) of one segment that is loaded and, when a loader is asked for, one that names it. With
 * the class of 32 bit or the other byte order only the identification says so: no kernel reads further.
 */
export function makeElf(options: ElfOptions = {}): Buffer {
  const { machine = MACHINES[process.arch] ?? 0, code = CRASH, interpreter } = options;
  const name = interpreter === undefined ? Buffer.alloc(0) : Buffer.from(`${interpreter}\0`);
  const headers = interpreter === undefined ? 1 : 2;
  const nameAt = HEADER + headers * PROGRAM_HEADER;
  const codeAt = nameAt + name.length;
  const file = Buffer.alloc(codeAt + code.length);
  file.set([0x7f, 0x45, 0x4c, 0x46, options.class ?? 2, options.data ?? 1, 1]);
  file.writeUInt16LE(2, 16); // ET_EXEC
  file.writeUInt16LE(machine, 18);
  file.writeUInt32LE(1, 20);
  file.writeBigUInt64LE(ADDRESS + BigInt(codeAt), 24);
  file.writeBigUInt64LE(BigInt(HEADER), 32);
  file.writeUInt16LE(HEADER, 52);
  file.writeUInt16LE(PROGRAM_HEADER, 54);
  file.writeUInt16LE(headers, 56);
  if (interpreter !== undefined) writeSegment(file, HEADER, { type: 3, offset: nameAt, size: name.length });
  writeSegment(file, HEADER + (headers - 1) * PROGRAM_HEADER, { type: 1, offset: 0, size: file.length });
  file.set(name, nameAt);
  file.set(code, codeAt);
  return file;
}

function writeSegment(
  file: Buffer,
  at: number,
  { type, offset, size }: { type: number; offset: number; size: number },
): void {
  file.writeUInt32LE(type, at);
  file.writeUInt32LE(5, at + 4); // readable and executable
  file.writeBigUInt64LE(BigInt(offset), at + 8);
  file.writeBigUInt64LE(ADDRESS + BigInt(offset), at + 16);
  file.writeBigUInt64LE(ADDRESS + BigInt(offset), at + 24);
  file.writeBigUInt64LE(BigInt(size), at + 32);
  file.writeBigUInt64LE(BigInt(size), at + 40);
  file.writeBigUInt64LE(0x1000n, at + 48);
}
