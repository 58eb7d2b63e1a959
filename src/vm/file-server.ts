import { type HostProgram, requireProgram } from './host-program.ts';
import { filesOfProgram } from './hypervisor.ts';
import type { VmFile, VmProgram } from './vm-plan.ts';

/** QEMU's own, in C. The later one in Rust has other options. */
const PROGRAM = '/usr/lib/qemu/virtiofsd';

const SERVER: HostProgram = {
  path: PROGRAM,
  need: 'folders cannot be shared by virtiofs',
  install: 'Install it: apt-get install --no-install-recommends qemu-system-common; or share them by 9p',
};

/** The descriptor of its socket: vm-plan.h. */
const SOCKET_DESCRIPTOR = 3;

/** It does not start where it cannot read how many files the host can have open, although it is told not to ask for as many. */
const FILE_MAX = '/proc/sys/fs/file-max';

/**
 * The server of `folder` of a root that holds `shares`, for a guest that mounts it by virtiofs. Its root is confined already; all
 * that it does itself is to make the folder its root. What the guest has read of names and attributes is believed for a second.
 * Throws `unavailable` when it is not installed or cannot be executed, with the way out.
 */
export async function fileServer(
  folder: string,
  shares: readonly VmFile[],
  signal?: AbortSignal,
): Promise<VmProgram> {
  await requireProgram(SERVER);
  const options = [
    'sandbox=chroot',
    'cache=auto',
    'xattr',
    'posix_acl',
    'modcaps=-mknod:-setfcap',
    'log_level=warn',
  ];
  return {
    program: PROGRAM,
    args: [
      ...[`--fd=${SOCKET_DESCRIPTOR}`, '-f', '--rlimit-nofile=0', '-o', `source=${folder}`],
      ...options.flatMap((option) => ['-o', option]),
    ],
    files: [...(await filesOfProgram(PROGRAM, signal)), { hostPath: FILE_MAX, name: FILE_MAX }, ...shares],
  };
}
