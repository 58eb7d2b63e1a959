/** Sections of a 64-bit little-endian ELF file (elf(5)). */
export interface ElfSections {
  readonly count: number;
  /** A piece of the file: what is written to it, the file has. */
  readonly content: (index: number) => Buffer;
  readonly name: (index: number) => string;
  /** SHT_*, of elf.h. */
  readonly type: (index: number) => number;
  /** Of relocations: their symbols. Of symbols: their names. */
  readonly link: (index: number) => number;
  /** Of relocations: the section that they are for. */
  readonly target: (index: number) => number;
  /** Lets nobody find it by its name. */
  readonly hide: (index: number) => void;
}

const NO_SECTION = Buffer.alloc(64);

/** Undefined when it is no such file. */
export function elfSections(file: Buffer): ElfSections | undefined {
  if (file.length < 64 || file.readUInt32BE(0) !== 0x7f454c46) return undefined;
  const headers = Number(file.readBigUInt64LE(0x28));
  const size = file.readUInt16LE(0x3a);
  const count = file.readUInt16LE(0x3c);
  if (size < 64 || headers + count * size > file.length) return undefined;
  const header = (index: number) =>
    index < count ? file.subarray(headers + index * size, headers + (index + 1) * size) : NO_SECTION;
  const content = (index: number) => {
    const start = Number(header(index).readBigUInt64LE(0x18));
    return file.subarray(start, start + Number(header(index).readBigUInt64LE(0x20)));
  };
  const names = content(file.readUInt16LE(0x3e));
  const nameAt = (index: number) => header(index).readUInt32LE(0);
  return {
    count,
    content,
    name: (index) => textAt(names, nameAt(index)),
    type: (index) => header(index).readUInt32LE(4),
    link: (index) => header(index).readUInt32LE(0x28),
    target: (index) => header(index).readUInt32LE(0x2c),
    hide: (index) => {
      names.write('x', nameAt(index), 'latin1');
    },
  };
}

/** A section's index; undefined when it has none of that name. */
export function findSection(sections: ElfSections, name: string): number | undefined {
  for (let index = 0; index < sections.count; index++) {
    if (sections.name(index) === name) return index;
  }
  return undefined;
}

/** A section of a file by its name; undefined when it has none, or is no such file. */
export function sectionNamed(file: Buffer, name: string): Buffer | undefined {
  const sections = elfSections(file);
  if (sections === undefined) return undefined;
  const index = findSection(sections, name);
  return index === undefined ? undefined : sections.content(index);
}

/** What a table of strings has at a place. */
export function textAt(strings: Buffer, at: number): string {
  return strings.toString('latin1', at, strings.indexOf(0, at));
}
