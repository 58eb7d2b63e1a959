import { lstat, readdir, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { invalid, systemErrorCode } from '../base/index.ts';
import type { OciDevice, OciDeviceRule } from './oci-types.ts';

/** A device node of the host, as a container gets it. */
export interface DeviceInput {
  readonly node: OciDevice;
  /** Of "rwm". */
  readonly access: string;
}

/** What a container may do with devices that nobody asked for (moby, daemon/pkg/oci/defaults.go). */
const DEFAULT_RULES: readonly OciDeviceRule[] = [
  { allow: false, access: 'rwm' },
  ...[
    [1, 5],
    [1, 3],
    [1, 9],
    [1, 8],
    [5, 0],
    [5, 1],
  ].map(([major, minor]) => ({ allow: true, type: 'c', major, minor, access: 'rwm' }) as const),
  { allow: false, type: 'c', major: 10, minor: 229, access: 'rwm' },
];

/** The rules of the device cgroup; a privileged container may use every device. */
export function deviceRules(input: {
  readonly devices: readonly DeviceInput[];
  readonly extraRules: readonly OciDeviceRule[];
  readonly privileged: boolean;
}): OciDeviceRule[] {
  if (input.privileged) return [{ allow: true, access: 'rwm' }];
  const granted = input.devices.map(({ node, access }): OciDeviceRule => {
    return { allow: true, type: node.type, major: node.major, minor: node.minor, access };
  });
  return [...DEFAULT_RULES, ...granted, ...input.extraRules];
}

/** Parses one `--device-cgroup-rule`, as "c 42:* rmw"; throws `invalid` in Docker's words. */
export function parseDeviceRule(text: string): OciDeviceRule {
  const match = /^([acb]) (\d+|\*):(\d+|\*) ([rwm]{1,3})$/.exec(text);
  const [, type, major = '', minor = '', access] = match ?? [];
  if ((type !== 'a' && type !== 'b' && type !== 'c') || access === undefined) {
    throw invalid(`invalid device cgroup rule format: '${text}'`);
  }
  const number = (value: string) => (value === '*' ? -1 : Number(value));
  return { allow: true, type, major: number(major), minor: number(minor), access };
}

/**
 * The device at a host path or, where that is a folder, all devices below it, placed at `containerPath`.
 * Symlinks are followed. Throws `invalid` when there is none.
 */
export async function resolveDevice(
  hostPath: string,
  containerPath: string,
  access: string,
): Promise<DeviceInput[]> {
  if (!/^(?!.*(.).*\1)[rwm]+$/.test(access)) {
    throw invalid(`invalid device mode "${access}"`, { hint: 'Use letters of "rwm"' });
  }
  try {
    const real = await realpath(hostPath);
    const isFolder = (await stat(real)).isDirectory();
    const nodes = isFolder
      ? await devicesBelow(real, containerPath)
      : await deviceAt(real, containerPath).then((node) => (node === undefined ? [] : [node]));
    if (nodes.length > 0) return nodes.map((node) => ({ node, access }));
  } catch (error) {
    const reason = systemErrorCode(error) === 'ENOENT' ? 'no such file or directory' : String(error);
    throw invalid(`error gathering device information while adding custom device "${hostPath}": ${reason}`, {
      cause: error,
    });
  }
  throw invalid(
    `error gathering device information while adding custom device "${hostPath}": not a device node`,
  );
}

/** The numbers of the block device at a host path, symlinks followed. Throws `invalid` when there is none. */
export async function blockDeviceNumbers(path: string): Promise<{ major: number; minor: number }> {
  const info = await stat(path, { bigint: true }).catch((cause: unknown) => {
    throw invalid(`no such device: ${path}`, { cause });
  });
  if (!info.isBlockDevice()) throw invalid(`${path} is not a block device`);
  return deviceNumbers(info.rdev);
}

/** Every device of the host's /dev but those a container has of its own, for privileged containers. */
export async function hostDevices(): Promise<DeviceInput[]> {
  const nodes = await devicesBelow('/dev', '/dev');
  return nodes.map((node) => ({ node, access: 'rwm' }));
}

/** Folders of /dev that are mounts of their own in a container, or of no use in it. */
const OWN_FOLDERS = ['pts', 'shm', 'fd', 'mqueue', '.lxc', '.lxd-mounts', '.udev'];

async function devicesBelow(hostFolder: string, containerFolder: string): Promise<OciDevice[]> {
  const found: OciDevice[] = [];
  for (const entry of await readdir(hostFolder, { withFileTypes: true })) {
    const hostPath = join(hostFolder, entry.name);
    const containerPath = join(containerFolder, entry.name);
    if (entry.isDirectory()) {
      if (!OWN_FOLDERS.includes(entry.name)) found.push(...(await devicesBelow(hostPath, containerPath)));
    } else if (containerPath !== '/dev/console') {
      const node = await deviceAt(hostPath, containerPath);
      if (node !== undefined) found.push(node);
    }
  }
  return found;
}

async function deviceAt(hostPath: string, containerPath: string): Promise<OciDevice | undefined> {
  const info = await lstat(hostPath, { bigint: true });
  if (!info.isCharacterDevice() && !info.isBlockDevice()) return undefined;
  return {
    path: containerPath,
    type: info.isBlockDevice() ? 'b' : 'c',
    ...deviceNumbers(info.rdev),
    fileMode: Number(info.mode & 0o7777n),
    uid: Number(info.uid),
    gid: Number(info.gid),
  };
}

/** Linux' 64-bit dev_t (glibc, makedev(3)). */
function deviceNumbers(device: bigint): { major: number; minor: number } {
  const major = ((device >> 8n) & 0xfffn) | ((device >> 32n) & 0xfffff000n);
  const minor = (device & 0xffn) | ((device >> 12n) & 0xffffff00n);
  return { major: Number(major), minor: Number(minor) };
}
