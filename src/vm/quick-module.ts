import { architectureOfElf } from './architecture.ts';
import { type ElfSections, elfSections, findSection, textAt } from './elf-sections.ts';

/**
 * A kernel module without what takes an emulated processor longer than to load all the rest, and nothing in a guest asks for:
 * what its types are (BTF), and the preparation of each of its functions for being traced. And without its signature, which would
 * be wrong then: for kernels that do not insist on one. One that has nothing of that is given back as it is.
 */
export function quickToLoad(module: Buffer): Buffer {
  const quick = Buffer.from(withoutSignature(module));
  const sections = elfSections(quick);
  if (sections === undefined) return module;
  const isChanged = [hide(sections, '.BTF'), leaveUntraced(quick, sections)];
  return isChanged.includes(true) ? quick : module;
}

/** The end of a signed module, behind the signature and its description (include/linux/module_signature.h). */
const SIGNED = Buffer.from('~Module signature appended~\n');
const SIGNATURE_DESCRIPTION = 12;

function withoutSignature(module: Buffer): Buffer {
  if (!module.subarray(-SIGNED.length).equals(SIGNED)) return module;
  const description = module.length - SIGNED.length - SIGNATURE_DESCRIPTION;
  if (description < 0) return module;
  const signature = description - module.readUInt32BE(description + 8);
  return signature < 0 ? module : module.subarray(0, signature);
}

function hide(sections: ElfSections, name: string): boolean {
  const index = findSection(sections, name);
  if (index !== undefined) sections.hide(index);
  return index !== undefined;
}

/** Where the kernel reads which functions can be traced (include/linux/ftrace.h, FTRACE_CALLSITE_SECTION). */
const TRACEABLE = { amd64: '__mcount_loc', arm64: '__patchable_function_entries' };
/** What each of them calls first on amd64, until the kernel has put a no-op there: it does so for all before the module starts. */
const TRACER = '__fentry__';

const SYMBOLS = 2; // SHT_SYMTAB
const RELOCATIONS = 4; // SHT_RELA
const RELOCATION_SIZE = 24;
const SYMBOL_SIZE = 24;
/** R_X86_64_PC32 and R_X86_64_PLT32. */
const OF_CALLS = [2n, 4n];
const CALL = 0xe8;
/** As the kernel writes it (arch/x86/include/asm/nops.h). */
const NO_OP = Buffer.from('0f1f440000', 'hex');

/** Hides the list of the functions that can be traced, where each of them begins with no-ops. */
function leaveUntraced(module: Buffer, sections: ElfSections): boolean {
  switch (architectureOfElf(module.readUInt16LE(0x12))) {
    case 'amd64':
      return leaveCallsUntraced(sections);
    case 'arm64':
      return hide(sections, TRACEABLE.arm64); // the compiler has put no-ops there itself
    case undefined:
      return false;
  }
}

/** Puts the no-ops there that the kernel would, and hides the list of them. A module in which any of it is different stays. */
function leaveCallsUntraced(sections: ElfSections): boolean {
  if (findSection(sections, TRACEABLE.amd64) === undefined) return false;
  const calls = callsOfTracer(sections);
  if (calls === undefined) return false;
  for (const { relocation, code } of calls) {
    NO_OP.copy(code);
    relocation.fill(0, 8); // R_X86_64_NONE
  }
  return hide(sections, TRACEABLE.amd64);
}

/** Pieces of the module. */
interface Call {
  readonly relocation: Buffer;
  readonly code: Buffer;
}

/** Undefined: something else than a call has the tracer's address. */
function callsOfTracer(sections: ElfSections): readonly Call[] | undefined {
  const calls: Call[] = [];
  const indices = Array.from({ length: sections.count }, (_, index) => index);
  const symbols = indices.find((index) => sections.type(index) === SYMBOLS);
  const tracer = symbols === undefined ? undefined : symbolOf(sections, symbols, TRACER);
  for (const index of indices) {
    if (sections.type(index) !== RELOCATIONS || sections.link(index) !== symbols) continue;
    const code = sections.content(sections.target(index));
    const relocations = sections.content(index);
    for (let at = 0; at + RELOCATION_SIZE <= relocations.length; at += RELOCATION_SIZE) {
      const relocation = relocations.subarray(at, at + RELOCATION_SIZE);
      const information = relocation.readBigUInt64LE(8);
      if (information >> 32n !== tracer) continue;
      const start = Number(relocation.readBigUInt64LE(0)) - 1;
      if (!OF_CALLS.includes(information & 0xffffffffn) || code[start] !== CALL) return undefined;
      calls.push({ relocation, code: code.subarray(start, start + NO_OP.length) });
    }
  }
  return calls;
}

function symbolOf(sections: ElfSections, table: number, name: string): bigint | undefined {
  const symbols = sections.content(table);
  const names = sections.content(sections.link(table));
  for (let at = 0; at + SYMBOL_SIZE <= symbols.length; at += SYMBOL_SIZE) {
    if (textAt(names, symbols.readUInt32LE(at)) === name) return BigInt(at / SYMBOL_SIZE);
  }
  return undefined;
}
