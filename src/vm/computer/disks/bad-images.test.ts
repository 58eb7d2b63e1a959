import { chmod, mkdir, open, readFile, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { digestOf, runChecked } from '../../../base/index.ts';
import type { DiskFormat } from './contract.ts';
import { CHECK_LIMITS, QemuImg } from './qemu-img.ts';
import { DiskWorkshop } from './testing/disk-images.ts';

let workshop: DiskWorkshop;
beforeAll(async () => {
  workshop = await DiskWorkshop.open();
});
afterAll(() => workshop[Symbol.asyncDispose]());

/** The refusal of an image, after which nothing of it is left. */
async function refusal(path: string, format?: DiskFormat): Promise<{ kind: string; message: string }> {
  const before = await workshop.store.list();
  const error: unknown = await workshop.store.take({ kind: 'file', path, format }).catch((thrown) => thrown);
  expect(await workshop.leftovers()).toEqual([]);
  expect(await workshop.store.list()).toEqual(before);
  return error as { kind: string; message: string };
}

const invalid = (message: string | RegExp) => ({
  kind: 'invalid',
  message: typeof message === 'string' ? message : expect.stringMatching(message),
});

/** Writes bytes into an image. */
async function patch(path: string, at: number, bytes: Uint8Array): Promise<void> {
  const file = await open(path, 'r+');
  await file.write(bytes, 0, bytes.length, at);
  await file.close();
}

describe('an image that names other files is refused', () => {
  test('a backing file, wherever it is', async () => {
    const base = await workshop.qcow2('base.qcow2');
    for (const [backing, format] of [
      ['/etc/shadow', 'raw'],
      [base, 'qcow2'],
      ['base.qcow2', 'qcow2'],
    ] as const) {
      const args = ['-f', 'qcow2', '-u', '-b', backing, '-F', format, 'over.qcow2', '64M'];
      await workshop.qemuImg('create', '-q', ...args);
      const path = workshop.file('over.qcow2');
      expect(await refusal(path)).toMatchObject({
        kind: 'invalid',
        message: `${path} has a backing file, which would let a machine read other files of this host`,
        hint: `Make it one file: qemu-img convert -O qcow2 ${path} NEW.qcow2`,
      });
    }
  });

  test('data in another file', async () => {
    const options = `data_file=${workshop.file('data.raw')},data_file_raw=on`;
    await workshop.qemuImg('create', '-q', '-f', 'qcow2', '-o', options, 'external.qcow2', '16M');
    const path = workshop.file('external.qcow2');
    expect(await refusal(path)).toMatchObject(
      invalid(`${path} keeps its data in another file, which would let a machine read files of this host`),
    );
  });
});

describe('a damaged image is refused', () => {
  test('cut off within its data', async () => {
    const path = await workshop.qcow2('cut.qcow2');
    await truncate(path, 800_000);
    expect(await refusal(path)).toMatchObject(invalid(/^\S+ is damaged or cut off: /));
  });

  test('cut off within its header', async () => {
    const path = await workshop.qcow2('header.qcow2');
    await truncate(path, 100);
    expect(await refusal(path)).toMatchObject(invalid(`${path} ends within its header`));
  });

  test('with tables that are nonsense', async () => {
    const path = await workshop.qcow2('nonsense.qcow2');
    await patch(path, 4 * 65_536, Buffer.alloc(65_536, 0x5a)); // the table of its first clusters
    expect(await refusal(path)).toMatchObject(invalid(/^\S+ is damaged or cut off: /));
  });

  test('that was not closed, or says itself that it is corrupt', async () => {
    for (const [bit, words] of [
      [1, 'not closed properly'],
      [2, 'corrupt'],
    ] as const) {
      const path = await workshop.qcow2(`marked-${bit}.qcow2`);
      await patch(path, 79, Buffer.of(bit));
      expect(await refusal(path)).toMatchObject(invalid(`${path} is marked as ${words}`));
    }
  });

  test('raw, when its partition table is that of a larger disk', async () => {
    const path = workshop.file('partitions.raw');
    await writeFile(path, partitionTable(2048n));
    await truncate(path, 2047 * 512);
    expect(await refusal(path)).toMatchObject(
      invalid(
        `${path} is cut off: its partition table is that of a disk of 1048576 bytes, and it has ${2047 * 512}`,
      ),
    );
    await truncate(path, 2048 * 512);
    using whole = await workshop.store.take({ kind: 'file', path, format: undefined });
    expect(whole.image.virtualSize).toBe(1024 ** 2);
  });

  test('empty', async () => {
    await writeFile(workshop.file('empty.raw'), '');
    expect(await refusal(workshop.file('empty.raw'))).toMatchObject(
      invalid(`${workshop.file('empty.raw')} is empty`),
    );
  });
});

describe('an image that is encrypted or made to harm is refused before any program reads it', () => {
  const measures: readonly [string, number, Uint8Array, RegExp][] = [
    [
      'a virtual size without end',
      24,
      Buffer.from('7ffffffffffffe00', 'hex'),
      /a disk of 9223372036854775296/,
    ],
    ['no size', 24, Buffer.alloc(8), /a disk of 0 bytes/],
    ['half a sector', 24, Buffer.from('0000000000000100', 'hex'), /which are no whole sectors/],
    ['a table of gigabytes', 36, Buffer.from('ffffffff', 'hex'), /a table of 4294967295 entries/],
    ['clusters of gigabytes', 20, Buffer.from('0000001f', 'hex'), /clusters of 2\^31 bytes/],
    ['references without end', 56, Buffer.from('ffffffff', 'hex'), /a reference table of/],
    ['snapshots without end', 60, Buffer.from('7fffffff', 'hex'), /2147483647 snapshots/],
    ['references of 2^31 bits', 96, Buffer.from('0000001f', 'hex'), /references of 2\^31 bits/],
    ['features of the future', 72, Buffer.from('80', 'hex'), /has features that are not known/],
    ['another version', 4, Buffer.from('00000001', 'hex'), /has version 1 of the qcow format/],
    ['encryption of old', 32, Buffer.from('00000001', 'hex'), /is encrypted \(method 1\)/],
    ['encryption by LUKS', 32, Buffer.from('00000002', 'hex'), /is encrypted \(LUKS\)/],
  ];
  test.each(measures)('%s', async (name, at, bytes, words) => {
    const path = await workshop.qcow2(`${name.replaceAll(/\W/g, '-')}.qcow2`);
    await patch(path, at, bytes);
    expect(await refusal(path)).toMatchObject(invalid(words));
  });
});

describe('what is no regular file is refused at once', () => {
  test('a pipe that nobody writes to, a device, a folder, and links to them', async () => {
    await runChecked('mkfifo', [workshop.file('pipe.raw')]);
    await symlink('/dev/zero', workshop.file('zero.raw'));
    for (const name of ['pipe.raw', 'zero.raw']) {
      const path = workshop.file(name);
      expect(await refusal(path)).toMatchObject(invalid(`${path} is no regular file, so no disk image`));
    }
    expect(await refusal(workshop.folder)).toMatchObject(
      invalid(`${workshop.folder} is a folder, not a disk image`),
    );
  });

  test('what is not there is not found', async () => {
    await symlink('nowhere', workshop.file('dangling.raw'));
    for (const path of [workshop.file('missing.qcow2'), workshop.file('dangling.raw'), '/etc/hostname/x']) {
      expect(await refusal(path)).toMatchObject({
        kind: 'not-found',
        message: `the disk image ${path} does not exist`,
      });
    }
  });
});

test('a file that does not have the sha256 that was promised is refused', async () => {
  const path = await workshop.qcow2('promised.qcow2');
  const actual = digestOf(await readFile(path));
  const source = { kind: 'file', path, format: undefined } as const;
  await expect(workshop.store.take({ ...source, sha256: digestOf('other') })).rejects.toMatchObject(
    invalid(`${path} has another content than was promised: ${actual} instead of ${digestOf('other')}`),
  );
  expect(await workshop.leftovers()).toEqual([]);
  using taken = await workshop.store.take({ ...source, sha256: actual });
  expect(taken.image.digest).toBe(actual);
});

test('a compressed file that is damaged is refused', async () => {
  const path = await workshop.qcow2('whole.qcow2');
  for (const [program, ending] of [
    ['gzip', 'gz'],
    ['xz', 'xz'],
    ['zstd', 'zst'],
  ] as const) {
    const { stdout } = await runChecked(program, ['-c', path]);
    await writeFile(`${path}.${ending}`, stdout.subarray(0, stdout.length - 40));
    expect(await refusal(`${path}.${ending}`)).toMatchObject({ kind: 'invalid' });
  }
});

describe('on a full disk nothing is left behind', () => {
  test("neither of an image nor of a machine's disk, and it is said what had no room", async () => {
    const small = workshop.file('small');
    await mkdir(small);
    await runChecked('mount', ['-t', 'tmpfs', '-o', 'size=700k', 'small', small]);
    try {
      await using full = await DiskWorkshop.open(undefined, undefined, join(small, 'root'));
      const path = await workshop.qcow2('large.qcow2');
      for (const source of [path, `${path}.gz`]) {
        if (source !== path) await writeFile(source, (await runChecked('gzip', ['-c', path])).stdout);
        await expect(
          full.store.take({ kind: 'file', path: source, format: undefined }),
        ).rejects.toMatchObject({
          kind: 'unavailable',
          message: `no space left on device: there is no room for the disk image ${source}`,
          hint: 'Free space on the file system of the data root, then try again',
        });
        expect(await full.leftovers()).toEqual([]);
      }
      const disk = { name: 'root', path: full.file('disk.qcow2'), backing: [] };
      for (const file of ['disk.qcow2', 'second.qcow2']) {
        await full.disks.create(full.file(file), { size: undefined, backing: undefined });
      }
      await writeFile(full.file('rest'), Buffer.alloc(700 * 1024)).catch(() => {});
      await expect(
        full.disks.create(full.file('third.qcow2'), { size: undefined, backing: undefined }),
      ).rejects.toMatchObject({
        kind: 'unavailable',
        message: `no space left on device: there is no room for ${full.file('third.qcow2')}`,
      });
      expect(await full.disks.size(disk)).toBe(8 * 1024 ** 3);
      const { stdout } = await runChecked('ls', [full.folder]);
      expect(stdout.toString().trim().split('\n')).toEqual([
        'disk.qcow2',
        'rest',
        'second.qcow2',
        'tmp',
        'vm',
      ]);
    } finally {
      await runChecked('umount', ['--lazy', small]);
    }
  });
});

describe('the program that reads an image', () => {
  /** A store whose qemu-img is a program of the test's. */
  async function withProgram(script: string): Promise<DiskWorkshop> {
    const tools = workshop.file('tools');
    await mkdir(tools, { recursive: true });
    await chmod(workshop.folder, 0o711); // so that a stranger may run it
    for (const name of ['prlimit', 'unshare', 'setpriv']) {
      await symlink(`/usr/bin/${name}`, join(tools, name)).catch(() => {});
    }
    await writeFile(join(tools, 'qemu-img'), `#!/bin/sh\nPATH=/usr/bin:/bin\n${script}\n`);
    await chmod(join(tools, 'qemu-img'), 0o755);
    return DiskWorkshop.open(undefined, new QemuImg(tools));
  }

  test('is nobody: no right, no network, and it may only read the image', async () => {
    const path = await workshop.qcow2('looked-into.qcow2');
    await using own = await withProgram(`
      exec >&2
      echo error:
      {
        grep -E '^(Uid|Gid|Groups|CapInh|CapPrm|CapEff|CapBnd|CapAmb|NoNewPrivs)' /proc/self/status
        grep -c : /proc/net/dev
        head -c 4 image | grep -a -c QFI
        [ -w image ] || [ -w . ] || echo reads
        ls .. || echo unseen
        ulimit -t; ulimit -v; ulimit -c; ulimit -f
      } 2>&1 | tr '\\n\\t' '; '
      exit 2`);
    const error: unknown = await own.store
      .take({ kind: 'file', path, format: undefined })
      .catch((thrown: unknown) => thrown);
    const nothing = '0'.repeat(16);
    const [, told = ''] = /cut off: (.*)$/.exec(String(error)) ?? [];
    const user = /Uid: (\d+)/.exec(told)?.[1];
    expect(Number(user)).toBeGreaterThanOrEqual(0x7000_0000);
    expect(told.split(';')).toEqual([
      `Uid: ${user} ${user} ${user} ${user}`,
      `Gid: ${user} ${user} ${user} ${user}`,
      'Groups:  ',
      ...['Inh', 'Prm', 'Eff', 'Bnd', 'Amb'].map((name) => `Cap${name}: ${nothing}`),
      'NoNewPrivs: 1',
      '1', // interface: lo
      '1', // line of the image
      'reads',
      expect.stringContaining('Permission denied'),
      'unseen',
      ...['300', '2097152', '0', '0', ''],
    ]);
  });

  test('does not run for ever', async () => {
    const qemuImg = new QemuImg(process.env.PATH ?? '');
    const limits = { ...CHECK_LIMITS, milliseconds: 1 };
    const options = { subject: 'disk.qcow2', folder: workshop.folder, signal: undefined };
    await expect(
      qemuImg.run(['--version'], { ...options, confinement: { limits, user: undefined, writes: false } }),
    ).rejects.toMatchObject(invalid('disk.qcow2 takes more than 0.001 s to be read'));
  });
});

/** The first sectors of a disk with a GUID partition table and no partition. */
function partitionTable(sectors: bigint): Buffer {
  const disk = Buffer.alloc(34 * 512);
  const header = disk.subarray(512, 512 + 92);
  header.write('EFI PART', 'latin1');
  header.writeUInt32LE(0x10000, 8);
  header.writeUInt32LE(92, 12);
  header.writeBigUInt64LE(1n, 24);
  header.writeBigUInt64LE(sectors - 1n, 32);
  header.writeUInt32LE(crc32(header), 16);
  return disk;
}
