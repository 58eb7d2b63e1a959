import { mkdir, mkdtemp, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { architectureNamed, hostArchitecture } from './architecture.ts';
import { Kernels } from './kernel.ts';
import { readKernelImage } from './kernel-image.ts';
import { dependenciesOf, listModules } from './kernel-modules.ts';

const needed = 'virtio_mmio virtio_console virtio_blk virtio_net erofs overlay ext4 virtio_rng'.split(' ');

/** An ELF file with one section, and its name table. */
function elf(
  machine: number,
  section: { name: string; content: string } = { name: '.text', content: '' },
): Buffer {
  const names = Buffer.from(`\0${section.name}\0.shstrtab\0`);
  const content = Buffer.from(section.content);
  const headers = 64 + content.length + names.length;
  const file = Buffer.alloc(headers + 3 * 64);
  file.write('\x7fELF', 0, 'latin1');
  file.writeUInt16LE(machine, 18);
  file.writeBigUInt64LE(BigInt(headers), 0x28);
  file.writeUInt16LE(64, 0x3a);
  file.writeUInt16LE(3, 0x3c);
  file.writeUInt16LE(2, 0x3e);
  content.copy(file, 64);
  names.copy(file, 64 + content.length);
  const describeSection = (index: number, name: number, start: number, length: number) => {
    file.writeUInt32LE(name, headers + index * 64);
    file.writeBigUInt64LE(BigInt(start), headers + index * 64 + 0x18);
    file.writeBigUInt64LE(BigInt(length), headers + index * 64 + 0x20);
  };
  describeSection(1, 1, 64, content.length);
  describeSection(2, section.name.length + 2, 64 + content.length, names.length);
  return file;
}

const { name: own, elfMachine: machine } = hostArchitecture();
const foreign = architectureNamed(own === 'amd64' ? 'arm64' : 'amd64');
const vmlinux = (version: string, of = machine) =>
  elf(of, { name: '.rodata', content: `Linux version ${version} (builder) #1 SMP` });
const moduleFile = (depends: string) =>
  elf(machine, { name: '.modinfo', content: `license=GPL\0depends=${depends}\0` });

/** A bzImage around a compressed kernel. Its length follows it, but in gzip's format, which has it at its own end. */
function bzImage(compressed: Buffer): Buffer {
  const isGzip = compressed.readUInt16BE(0) === 0x1f8b;
  const payload = isGzip ? compressed : Buffer.concat([compressed, Buffer.from([1, 2, 3, 4])]);
  const head = Buffer.alloc(3 * 512);
  head.writeUInt8(2, 0x1f1);
  head.write('HdrS', 0x202);
  head.writeUInt32LE(16, 0x248);
  head.writeUInt32LE(payload.length, 0x24c);
  return Buffer.concat([head, Buffer.alloc(16), payload, Buffer.alloc(100)]);
}

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'berth-kernel-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** A folder like /lib/modules/VERSION. */
async function modulesFolder(
  modules: Record<string, string>,
  builtIn: readonly string[] = [],
): Promise<string> {
  const path = join(folder, 'modules');
  for (const [name, depends] of Object.entries(modules)) {
    const file = join(path, 'kernel', `${name}.ko`);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, moduleFile(depends));
  }
  await writeFile(join(path, 'modules.builtin'), builtIn.map((name) => `kernel/fs/${name}.ko\n`).join(''));
  return path;
}

describe("a kernel's file", () => {
  test.each([
    { name: 'a vmlinux', file: vmlinux('6.1.0-9-test') },
    { name: 'a bzImage with gzip', file: bzImage(gzipSync(vmlinux('6.1.0-9-test'))) },
    { name: 'a bzImage with zstd', file: bzImage(zstdCompressSync(vmlinux('6.1.0-9-test'))) },
    { name: 'a compressed Image', file: zstdCompressSync(vmlinux('6.1.0-9-test')) },
  ])('is read: $name', async ({ file }) => {
    const { version, architecture, data } = await readKernelImage('/k', file);
    expect({ version, architecture }).toEqual({ version: '6.1.0-9-test', architecture: own });
    expect(data.equals(vmlinux('6.1.0-9-test'))).toBe(true);
  });

  test.each([
    { name: 'anything else', file: Buffer.from('#!/bin/sh\n'.repeat(20)), why: '/k is not a Linux kernel' },
    {
      name: 'another program',
      file: elf(machine),
      why: '/k is not a Linux kernel: it does not say its version',
    },
    {
      name: 'a broken one',
      file: bzImage(gzipSync(vmlinux('6')).subarray(0, 40)),
      why: 'cannot be decompressed (gzip)',
    },
    {
      name: 'an unknown format',
      file: bzImage(Buffer.from('????????')),
      why: 'is compressed in a way that is not known',
    },
  ])('is refused: $name', async ({ file, why }) => {
    await expect(readKernelImage('/k', file)).rejects.toThrow(why);
  });
});

describe('the modules of a guest', () => {
  test('come after those that they depend on, once each, and only where they are not built in', async () => {
    const path = await modulesFolder(
      {
        ...Object.fromEntries(needed.filter((name) => name !== 'ext4').map((name) => [name, 'virtio'])),
        'drivers/virtio': 'virtio_ring',
        'drivers/virtio_ring': '',
        'crc32c-intel': '',
        '9p': '9pnet',
        '9pnet': '',
      },
      ['ext4'],
    );
    const { modules, absent } = await listModules(path);
    const names = modules.map(({ name }) => name);
    expect(names.slice(0, 4)).toEqual(['crc32c_intel', 'virtio_ring', 'virtio', 'virtio_mmio']);
    expect(names).not.toContain('ext4');
    expect(names.indexOf('9pnet')).toBeLessThan(names.indexOf('9p'));
    expect(new Set(names).size).toBe(names.length);
    expect(absent).toEqual(['9pnet_virtio', 'virtiofs', 'virtio_balloon']);
  });

  test('are refused by name when the kernel lacks one that a machine needs', async () => {
    const path = await modulesFolder(Object.fromEntries(needed.slice(2).map((name) => [name, ''])));
    await expect(listModules(path)).rejects.toThrow(
      `the kernel of ${path} has no virtio_mmio, virtio_console, which a virtual machine needs`,
    );
  });

  test('must be modules', () => {
    expect(dependenciesOf('/m.ko', moduleFile('a-b,c'))).toEqual(['a_b', 'c']);
    expect(() => dependenciesOf('/m.ko', Buffer.from('no module'))).toThrow('/m.ko is not a kernel module');
  });
});

describe('a kernel for machines', () => {
  const kernels = () => new Kernels({ cache: join(folder, 'cache'), configuration: join(folder, 'etc') });

  test('is the named one, made ready once', async () => {
    const path = join(folder, 'vmlinuz');
    await modulesFolder(Object.fromEntries(needed.map((name) => [name, ''])));
    await writeFile(path, bzImage(gzipSync(vmlinux('6.2-named'))));
    const kernel = await kernels().find(path);
    expect(kernel).toMatchObject({ version: '6.2-named', origin: path, transports: [] });
    expect((await readFile(kernel.path)).equals(vmlinux('6.2-named'))).toBe(true);
    expect(kernel.modules).toHaveLength(needed.length);
    expect(await kernels().find(path)).toEqual(kernel);
  });

  test('is made ready again when its file is another one', async () => {
    const path = join(folder, 'vmlinux');
    await writeFile(path, vmlinux('6.2-first'));
    expect((await kernels().find(path)).version).toBe('6.2-first');
    await writeFile(path, vmlinux('6.2-other'));
    await utimes(path, 1, 1);
    expect((await kernels().find(path)).version).toBe('6.2-other');
  });

  test('is the configured one when none is named, with everything built in where there are no modules', async () => {
    await mkdir(join(folder, 'etc'));
    await writeFile(join(folder, 'etc/vmlinux'), vmlinux('6.3-configured'));
    const kernel = await kernels().find(undefined);
    expect(kernel).toMatchObject({ version: '6.3-configured', modules: [], transports: ['9p', 'virtiofs'] });
  });

  test('is for the architecture of the machine: another one is configured in its folder, and fetched as another package', async () => {
    await mkdir(join(folder, 'etc', foreign.name), { recursive: true });
    await writeFile(join(folder, 'etc/vmlinux'), vmlinux('6.3-own'));
    expect(await kernels().look(foreign)).toEqual({
      state: 'fetched-on-first-use',
      name: `linux-image-${foreign.name}`,
    });
    await writeFile(join(folder, 'etc', foreign.name, 'vmlinux'), vmlinux('6.3-other', foreign.elfMachine));
    expect((await kernels().find(undefined, foreign)).version).toBe('6.3-other');
    expect((await kernels().find(undefined)).version).toBe('6.3-own');
  });

  test('is refused when it does not exist, is none, or is for another machine', async () => {
    await expect(kernels().find('/no/such/kernel')).rejects.toMatchObject({
      kind: 'not-found',
      message: 'the kernel /no/such/kernel does not exist',
    });
    const other = join(folder, 'other');
    await writeFile(other, vmlinux('6.1', foreign.elfMachine));
    await expect(kernels().find(other)).rejects.toThrow(
      `the kernel ${other} is for ${foreign.name}, and the virtual machine is ${own}`,
    );
    await writeFile(other, vmlinux('6.1', 22)); // s390
    await expect(kernels().find(other)).rejects.toThrow(`the kernel ${other} is for another machine`);
  });

  test('that is kept in a way that berth does not know is made ready again', async () => {
    const path = join(folder, 'vmlinux');
    await writeFile(path, vmlinux('6.2-named'));
    const kernel = await kernels().find(path);
    await writeFile(join(dirname(kernel.path), 'kernel.json'), '{"version":1}');
    expect(await kernels().find(path)).toEqual(kernel);
  });
});
