import { readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** What each machine is to have of its own, or was for the time of making alone. */
const REMOVED = [
  'etc/hostname',
  'etc/resolv.conf',
  'etc/apt/apt.conf.d/99mmdebstrap',
  'initrd.img.old',
  'vmlinuz.old',
  'var/lib/systemd/random-seed',
  'var/cache/debconf/config.dat-old',
  'var/cache/debconf/templates.dat-old',
  'var/lib/dpkg/status-old',
];

/** Makes a fresh tree one that many machines can begin as: no keys, no identity, no traces of the host. */
export async function tidySystem(root: string): Promise<void> {
  const keys = (await readdir(join(root, 'etc/ssh'))).filter((name) => name.startsWith('ssh_host_'));
  for (const path of [...REMOVED, ...keys.map((name) => `etc/ssh/${name}`)]) {
    await rm(join(root, path), { force: true });
  }
  await writeFile(join(root, 'etc/machine-id'), '', { mode: 0o444 }); // empty: made at the first boot (machine-id(5))
  await writeFile(join(root, 'etc/hostname'), 'debian\n');
  await symlink('../run/systemd/resolve/stub-resolv.conf', join(root, 'etc/resolv.conf'));
}
