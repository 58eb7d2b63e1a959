import { randomUUID } from 'node:crypto';
import { copyFile, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runChecked } from '../../src/base/index.ts';
import { makeBootLoader } from '../../src/vm/computer/debian/boot-loader.ts';
import { writeSystemDisk } from '../../src/vm/computer/debian/system-disk.ts';

/** What Debian's package ipxe brings, and the part of GRUB that loads such systems. */
const IPXE = '/boot/ipxe.lkrn';
const LOADER = '/usr/lib/grub/i386-pc/linux16.mod';

/** iPXE asks for a page until somebody gives it, and stays. */
export const askFor = (url: string) => `:network
dhcp || goto network
:ask
imgfetch ${url} || goto again
:stay
sleep 3600
goto stay
:again
sleep 1
goto ask`;

/** For a shell: a page of two bytes for the first who asks; what he asked is printed. */
export const ONE_ANSWER = 'printf "HTTP/1.0 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok" | nc -l -p 80';

/**
 * A disk with a system that is no Linux: iPXE, Debian's, which has drivers, TCP/IP and a script language of its own. It runs
 * `script` and stays. The path of its qcow2 file, in `folder`.
 */
export async function makeIpxeSystem(folder: string, script: string): Promise<string> {
  const root = join(folder, 'root');
  const rootUuid = randomUUID();
  await mkdir(join(root, 'boot/grub/i386-pc'), { recursive: true });
  await copyFile(IPXE, join(root, 'ipxe.lkrn'));
  await copyFile(LOADER, join(root, 'boot/grub/i386-pc/linux16.mod'));
  await writeFile(join(root, 'script.ipxe'), `#!ipxe\n${script}\n`);
  await writeFile(
    join(root, 'boot/grub/grub.cfg'),
    'insmod linux16\nset timeout=0\nmenuentry iPXE {\n  linux16 /ipxe.lkrn\n  initrd16 /script.ipxe\n}\n',
  );
  const disk = join(folder, 'ipxe.raw');
  const loader = await makeBootLoader(folder, rootUuid);
  await writeSystemDisk(disk, { root, rootUuid, loader });
  const image = join(folder, 'ipxe.qcow2');
  await runChecked('qemu-img', ['convert', '-f', 'raw', '-O', 'qcow2', disk, image]);
  await rm(disk);
  return image;
}
