import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { internal, run, runChecked, unavailable } from '../../../base/index.ts';
import { HEAD_SECTORS, SECTOR_SIZE } from '../../partition-table.ts';

/** GRUB for both firmwares, as bytes for their places on a disk. */
export interface BootLoader {
  /** The first sector's code, before the partition table. */
  readonly sector: Buffer;
  /** What that loads: the content of the BIOS boot partition, which is the first one. */
  readonly core: Buffer;
  /** A FAT file system of {@link SYSTEM_PARTITION_SIZE} with the program that UEFI looks for. */
  readonly systemPartition: Buffer;
}

/** Bytes of the partition that UEFI reads: FAT16, with room for another boot loader. */
export const SYSTEM_PARTITION_SIZE = 32 * 1024 ** 2;

const MODULES = [
  ...['part_gpt', 'ext2', 'search_fs_uuid', 'linux', 'normal', 'configfile'],
  ...['serial', 'terminal', 'echo', 'test', 'ls', 'cat', 'minicmd', 'reboot', 'halt'],
];
const FOLDER = '/usr/lib/grub';

/** What has to be installed, by a file of it. */
const NEEDED = [
  ['mmdebstrap', '/usr/bin/mmdebstrap'],
  ['grub-common', '/usr/bin/grub-mkimage'],
  ['grub-pc-bin', `${FOLDER}/i386-pc/boot.img`],
  ['grub-efi-amd64-bin', `${FOLDER}/x86_64-efi/moddep.lst`],
  ['mtools', '/usr/bin/mformat'],
  ['e2fsprogs', '/usr/sbin/mke2fs'],
] as const;

/** Throws `unavailable` with what to install to make systems. `root`: in the place of /, for tests. */
export async function requireTools(root = '/'): Promise<void> {
  const missing: string[] = [];
  for (const [name, file] of NEEDED) {
    const isThere = await stat(join(root, file)).then(
      () => true,
      () => false,
    );
    if (!isThere) missing.push(name);
  }
  if (missing.length === 0) return;
  throw unavailable(`to make a Debian system, berth needs ${missing.join(', ')}`, {
    hint: `Install: apt-get install --no-install-recommends ${missing.join(' ')}`,
  });
}

/** GRUB that goes on with /boot/grub/grub.cfg of the file system `rootUuid`. `folder` is for temporary files. */
export async function makeBootLoader(
  folder: string,
  rootUuid: string,
  signal?: AbortSignal,
): Promise<BootLoader> {
  const settings = join(folder, 'grub-early.cfg');
  await writeFile(settings, `search.fs_uuid ${rootUuid} root\nset prefix=($root)/boot/grub\n`);
  const build = async (format: string, modules: readonly string[]) => {
    const output = join(folder, format);
    const args = [`--format=${format}`, '--prefix=/boot/grub', `--config=${settings}`, `--output=${output}`];
    await runChecked('grub-mkimage', [...args, ...modules], signal === undefined ? {} : { signal });
    return output;
  };
  const core = await readFile(await build('i386-pc', ['biosdisk', ...MODULES]));
  const program = await build('x86_64-efi', MODULES);
  const sector = await readFile(`${FOLDER}/i386-pc/boot.img`);
  return {
    ...linkBiosParts(sector, core),
    systemPartition: await makeSystemPartition(join(folder, 'esp'), program, signal),
  };
}

/**
 * Tells GRUB's first sector where its second is, and that one where the rest is, as grub-install does (GRUB's
 * include/grub/i386/pc/boot.h and diskboot.S).
 */
function linkBiosParts(bootSector: Buffer, core: Buffer): Pick<BootLoader, 'sector' | 'core'> {
  const sector = Buffer.from(bootSector);
  if (sector.length !== SECTOR_SIZE) throw internal("GRUB's first sector has another size than a sector");
  sector.writeBigUInt64LE(BigInt(HEAD_SECTORS), 0x5c);
  sector.set([0x90, 0x90], 0x66); // boots from the drive that the BIOS names, though it is no floppy
  const rest = Math.ceil(core.length / SECTOR_SIZE) - 1;
  const padded = Buffer.alloc((rest + 1) * SECTOR_SIZE);
  core.copy(padded);
  padded.writeBigUInt64LE(BigInt(HEAD_SECTORS + 1), 0x1f4);
  padded.writeUInt16LE(rest, 0x1fc);
  padded.writeUInt16LE(0x820, 0x1fe); // the segment that it is loaded to
  return { sector: sector.subarray(0, 440), core: padded };
}

async function makeSystemPartition(path: string, program: string, signal?: AbortSignal): Promise<Buffer> {
  const sectors = SYSTEM_PARTITION_SIZE / SECTOR_SIZE;
  const mtools = async (name: string, ...args: string[]) => {
    const options = { env: { ...process.env, MTOOLSRC: '/dev/null' }, ...(signal && { signal }) };
    const { code, stderr } = await run(name, args, options);
    if (code !== 0) throw unavailable(`${name} failed with exit code ${code}: ${stderr.trim()}`);
  };
  await mtools('mformat', '-i', path, '-C', '-T', String(sectors), '-h', '64', '-s', '32', '-v', 'EFI', '::');
  await mtools('mmd', '-i', path, '::/EFI', '::/EFI/BOOT');
  await mtools('mcopy', '-i', path, program, '::/EFI/BOOT/BOOTX64.EFI');
  return readFile(path);
}
