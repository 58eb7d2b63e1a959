import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runChecked } from '../../src/base/index.ts';
import { ROOT_START } from '../../src/vm/computer/debian/system-disk.ts';
import { SECTOR_SIZE } from '../../src/vm/partition-table.ts';
import { SYSTEMS } from './systems.ts';

/** In the place of systemd and all that it starts: QEMU's agent, and a shell on the console, which says READY then. */
const INIT = `#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t tmpfs tmpfs /run
modprobe -a virtio_console virtio_balloon
until port=$(ls /dev/vport*p1 2>/dev/null); do sleep 0.1; done
qemu-ga -d -p "$port" -f /run/agent.pid -t /run -l /run/agent.log
exec </dev/ttyS0 >/dev/ttyS0 2>&1
stty -echo
echo READY
exec sh
`;

/**
 * A disk with Debian of which only the kernel and QEMU's guest agent run, so that it boots in a tenth of its time. The path of its
 * qcow2 file, in `folder`.
 */
export async function makeAgentSystem(folder: string): Promise<string> {
  const work = await mkdtemp(join(folder, 'agent-system-'));
  const disk = join(work, 'disk.raw');
  await runChecked('qemu-img', ['convert', '-f', 'qcow2', '-O', 'raw', await bookworm(), disk]);
  const menu = await inRootFileSystem(disk, 'cat /boot/grub/grub.cfg');
  await writeFile(join(work, 'menu'), menu.replace(/^ {2}linux .*/m, '$& init=/agent-init'));
  await writeFile(join(work, 'init'), INIT);
  const steps = [
    ...['rm /boot/grub/grub.cfg', `write ${join(work, 'menu')} /boot/grub/grub.cfg`],
    ...[`write ${join(work, 'init')} /agent-init`, 'set_inode_field /agent-init mode 0100755'],
  ];
  await writeFile(join(work, 'steps'), `${steps.join('\n')}\n`);
  await runChecked('debugfs', ['-w', '-f', join(work, 'steps'), rootFileSystem(disk)]);
  const image = join(folder, 'agent-system.qcow2');
  await runChecked('qemu-img', ['convert', '-f', 'raw', '-O', 'qcow2', disk, image]);
  await rm(work, { recursive: true });
  return image;
}

/** What a command of debugfs says about the first disk of such a machine, a raw file. */
export async function inRootFileSystem(disk: string, command: string): Promise<string> {
  const { stdout } = await runChecked('debugfs', ['-R', command, rootFileSystem(disk)]);
  return stdout.toString();
}

function rootFileSystem(disk: string): string {
  return `${disk}?offset=${ROOT_START * SECTOR_SIZE}`;
}

/** The file of the newest system that scripts/setup-machines has made of this release. */
async function bookworm(): Promise<string> {
  let newest = { file: '', createdAt: 0 };
  for (const name of await readdir(SYSTEMS)) {
    if (!name.endsWith('.json')) continue;
    const text = await readFile(join(SYSTEMS, name), 'utf8');
    const { source, createdAt } = JSON.parse(text) as { source: string; createdAt: number };
    if (!source.startsWith('debian:bookworm-') || createdAt < newest.createdAt) continue;
    newest = { file: name.slice(0, -'.json'.length), createdAt };
  }
  if (newest.file === '') throw new Error(`there is no bookworm in ${SYSTEMS}: run scripts/setup-machines`);
  return join(SYSTEMS, newest.file);
}
