import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { runChecked } from '../base/index.ts';
import { sectionNamed } from './elf-sections.ts';
import { quickToLoad } from './quick-module.ts';

/** As a compiler makes modules for a kernel whose functions can be traced. */
const KERNEL_OPTIONS = ['-O1', '-fno-pic', '-mcmodel=kernel', '-pg', '-mfentry', '-mrecord-mcount'];
const FUNCTIONS = `
int first(int value) { return value + 1; }
__attribute__((section(".init.text"))) int second(int value) { return value + 2; }
`;
const TYPES = '__asm__(".section .BTF,\\"\\"\\n.ascii \\"types\\"\\n.previous");';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'berth-module-'));
});
afterEach(() => rm(folder, { recursive: true }));

async function compile(
  source: string,
  options: readonly string[] = KERNEL_OPTIONS,
  compiler = 'gcc',
): Promise<Buffer> {
  await writeFile(join(folder, 'module.c'), source);
  await runChecked(compiler, [...options, '-c', '-o', join(folder, 'module.o'), join(folder, 'module.c')]);
  return readFile(join(folder, 'module.o'));
}

/** Its instructions and relocations, as objdump(1) tells them. */
async function disassemble(module: Buffer): Promise<string> {
  const path = join(folder, 'quick.o');
  await writeFile(path, module);
  return (await runChecked('objdump', ['-dr', path])).stdout.toString();
}

/** As the kernel's sign-file writes it: the signature, its description with its length at the end, and the word. */
function signed(module: Buffer): Buffer {
  const description = Buffer.alloc(12);
  description.writeUInt32BE(700, 8);
  const word = Buffer.from('~Module signature appended~\n');
  return Buffer.concat([module, Buffer.alloc(700, 's'), description, word]);
}

const onX86 = describe.skipIf(process.arch !== 'x64');
const reason = process.arch === 'x64' ? '' : ' (skipped: needs an x86-64 processor)';

onX86(`a module that is made quick to load${reason}`, () => {
  test('has no-ops where its functions called the tracer, and names none of them as traceable', async () => {
    const module = await compile(FUNCTIONS);
    const traced = await disassemble(module);
    expect(traced.match(/__fentry__/g)).toHaveLength(2);
    const quick = quickToLoad(module);
    const untraced = await disassemble(quick);
    expect(untraced).not.toContain('__fentry__');
    const noOp = /0:\t0f 1f 44 00 00 +\tnopl/g;
    expect(untraced.match(noOp)).toHaveLength(2);
    expect(sectionNamed(module, '__mcount_loc')).toHaveLength(16);
    expect(sectionNamed(quick, '__mcount_loc')).toBeUndefined();
    const rest = (text: string) =>
      text.split('\n').filter((line) => !/__fentry__|R_X86_64_NONE| 0:\t/.test(line));
    expect(rest(untraced)).toEqual(rest(traced));
  });

  test('keeps its calls when the address of the tracer serves for something else, too', async () => {
    const module = await compile(`${FUNCTIONS} void __fentry__(void); void *tracer = __fentry__;`);
    expect(quickToLoad(module)).toBe(module);
  });

  test('has no types that the kernel would find, nor a signature, which would be wrong', async () => {
    const module = await compile(`${FUNCTIONS} ${TYPES}`, ['-O1']);
    const quick = quickToLoad(signed(module));
    expect(quick.length).toBe(module.length);
    expect(sectionNamed(module, '.BTF')?.toString()).toBe('types');
    expect(sectionNamed(quick, '.BTF')).toBeUndefined();
  });

  test('is as it was where there is nothing of that, signature and all', async () => {
    const plain = signed(await compile(FUNCTIONS, ['-O1']));
    expect(quickToLoad(plain)).toBe(plain);
    const none = Buffer.from('no module');
    expect(quickToLoad(none)).toBe(none);
  });
});

test('a module for arm64, whose functions begin with no-ops already, names none of them as traceable', async () => {
  const compiler = process.arch === 'arm64' ? 'gcc' : 'aarch64-linux-gnu-gcc';
  const module = await compile(FUNCTIONS, ['-O1', '-fpatchable-function-entry=2'], compiler);
  expect(sectionNamed(module, '__patchable_function_entries')).toHaveLength(16);
  const quick = quickToLoad(module);
  expect(sectionNamed(quick, '__patchable_function_entries')).toBeUndefined();
  for (const section of ['.text', '.init.text']) {
    expect(sectionNamed(quick, section)).toEqual(sectionNamed(module, section));
  }
});
