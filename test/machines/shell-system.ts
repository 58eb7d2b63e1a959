import { readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { runChecked } from '../../src/base/index.ts';
import type { TestInstance } from '../../src/runtime/test-instance.ts';
import { type InitramfsEntry, writeInitramfs } from '../../src/vm/initramfs.ts';
import { type Kernel, Kernels } from '../../src/vm/kernel.ts';
import { VM_TAP_DESCRIPTOR } from '../../src/vm/vm-plan.ts';
import type { ComputerSystem } from './hand-made-computer.ts';

const KERNELS = `${process.env.BERTH_CACHE ?? '/var/cache/berth'}/machine-kernels`;

/** Without the counter's frequency, a kernel on a busy host waits for timers that do not come. */
const COMMAND_LINE =
  'console=ttyS0 quiet panic=-1 reboot=t tsc=reliable no_timer_check cryptomgr.notests random.trust_cpu=on';

/** A line of what DHCP tells, for each event; what is told is put in force. */
const DHCP_SCRIPT = `#!/bin/sh
case $1 in bound|renew)
  ip address add $ip/$mask dev $interface 2> /dev/null
  set -- $1 $staticroutes
  echo "$1 $interface ip=$ip/$mask router=$router dns=$dns mtu=$mtu host=$hostname search=$search server=$serverid routes=$*"
  shift
  while [ $# -ge 2 ]; do
    [ $2 = 0.0.0.0 ] && ip route add $1 dev $interface || ip route add $1 via $2 dev $interface
    shift 2
  done
  [ -n "$router" ] && ip route add default via $router 2> /dev/null
  echo "told everything"
esac
true
`;

/** A shell on the console, which says READY when it is there. */
const INIT = `#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /tmp /etc
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox --install -s /bin
while read name; do insmod /modules/$name; done < /modules/order
for interface in lo eth0 eth1; do ip link set $interface up; done
stty -echo
echo READY
exec sh
`;

/**
 * Linux with busybox, which boots from an initramfs: its kernel is Debian's, its console has a shell. Of its cards, `macs`
 * are the addresses.
 */
export async function shellSystem(
  { folder, nativeDirectory }: TestInstance,
  macs: readonly string[],
): Promise<ComputerSystem> {
  const kernel = await shellKernel();
  const counter = await runChecked(join(nativeDirectory, 'berth-vm'), ['measure-tsc']);
  const counterKilohertz = counter.stdout.toString().trim();
  const initramfs = await writeShellInitramfs(folder, kernel.modules);
  return {
    args: [
      ...['-M', 'microvm,acpi=on', '-cpu', 'max', '-m', '192M', '-serial', 'chardev:console'],
      ...['-kernel', '/kernel', '-initrd', '/initramfs'],
      ...['-append', `${COMMAND_LINE} tsc_early_khz=${counterKilohertz}`],
      ...['-global', 'virtio-mmio.force-legacy=false'],
      ...macs.flatMap((mac, index) => [
        ...['-netdev', `tap,fd=${VM_TAP_DESCRIPTOR + index},id=net${index}`],
        ...['-device', `virtio-net-device,netdev=net${index},mac=${mac}`],
      ]),
    ],
    files: [
      { hostPath: kernel.path, name: '/kernel', idmap: true },
      { hostPath: initramfs, name: '/initramfs', idmap: true },
    ],
  };
}

/** Debian's, as machines for containers have it. */
export function shellKernel(): Promise<Kernel> {
  return new Kernels({ cache: KERNELS, configuration: '/nonexistent' }).find(undefined);
}

/** The system itself, in a file of `folder`; it loads `modules` in their order. */
export async function writeShellInitramfs(folder: string, modules: readonly string[]): Promise<string> {
  const initramfs = join(folder, 'shell-initramfs');
  await writeFile(initramfs, writeInitramfs(await entries(modules)));
  return initramfs;
}

async function entries(modules: readonly string[]): Promise<InitramfsEntry[]> {
  const order = modules.map((path) => `${basename(path)}\n`).join('');
  const loaded = modules.map(async (path): Promise<InitramfsEntry> => {
    return { kind: 'file', path: `modules/${basename(path)}`, content: await readFile(path) };
  });
  const busybox = await readFile('/bin/busybox');
  return [
    ...['dev', 'bin', 'modules'].map((path): InitramfsEntry => ({ kind: 'folder', path })),
    { kind: 'device', path: 'dev/console', major: 5, minor: 1 },
    { kind: 'device', path: 'dev/null', major: 1, minor: 3 },
    { kind: 'file', path: 'bin/busybox', content: busybox, executable: true },
    { kind: 'file', path: 'init', content: Buffer.from(INIT), executable: true },
    { kind: 'file', path: 'dhcp', content: Buffer.from(DHCP_SCRIPT), executable: true },
    { kind: 'file', path: 'modules/order', content: Buffer.from(order) },
    ...(await Promise.all(loaded)),
  ];
}
