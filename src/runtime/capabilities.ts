import { invalid } from '../base/index.ts';
import type { OciCapabilities } from './oci-types.ts';

/** Every capability that Linux knows, by its bit (include/uapi/linux/capability.h). */
export const ALL_CAPABILITIES: readonly string[] = [
  'CAP_CHOWN',
  'CAP_DAC_OVERRIDE',
  'CAP_DAC_READ_SEARCH',
  'CAP_FOWNER',
  'CAP_FSETID',
  'CAP_KILL',
  'CAP_SETGID',
  'CAP_SETUID',
  'CAP_SETPCAP',
  'CAP_LINUX_IMMUTABLE',
  'CAP_NET_BIND_SERVICE',
  'CAP_NET_BROADCAST',
  'CAP_NET_ADMIN',
  'CAP_NET_RAW',
  'CAP_IPC_LOCK',
  'CAP_IPC_OWNER',
  'CAP_SYS_MODULE',
  'CAP_SYS_RAWIO',
  'CAP_SYS_CHROOT',
  'CAP_SYS_PTRACE',
  'CAP_SYS_PACCT',
  'CAP_SYS_ADMIN',
  'CAP_SYS_BOOT',
  'CAP_SYS_NICE',
  'CAP_SYS_RESOURCE',
  'CAP_SYS_TIME',
  'CAP_SYS_TTY_CONFIG',
  'CAP_MKNOD',
  'CAP_LEASE',
  'CAP_AUDIT_WRITE',
  'CAP_AUDIT_CONTROL',
  'CAP_SETFCAP',
  'CAP_MAC_OVERRIDE',
  'CAP_MAC_ADMIN',
  'CAP_SYSLOG',
  'CAP_WAKE_ALARM',
  'CAP_BLOCK_SUSPEND',
  'CAP_AUDIT_READ',
  'CAP_PERFMON',
  'CAP_BPF',
  'CAP_CHECKPOINT_RESTORE',
];

/** What a container gets when nothing is said: Docker's 14, in Docker's order. */
export const DEFAULT_CAPABILITIES: readonly string[] = [
  'CAP_CHOWN',
  'CAP_DAC_OVERRIDE',
  'CAP_FSETID',
  'CAP_FOWNER',
  'CAP_MKNOD',
  'CAP_NET_RAW',
  'CAP_SETGID',
  'CAP_SETUID',
  'CAP_SETFCAP',
  'CAP_SETPCAP',
  'CAP_NET_BIND_SERVICE',
  'CAP_SYS_CHROOT',
  'CAP_KILL',
  'CAP_AUDIT_WRITE',
];

/** The wish for capabilities: `--cap-add`, `--cap-drop`, `--privileged`. */
export interface CapabilityInput {
  readonly add: readonly string[];
  readonly drop: readonly string[];
  readonly privileged: boolean;
}

/**
 * The capabilities of a container. `available` is what the host can give. Names may be written in lower case
 * and without "CAP_"; "ALL" stands for all. Throws `invalid` in Docker's words for one that is unknown or cannot be given.
 */
export function containerCapabilities(input: CapabilityInput, available: readonly string[]): string[] {
  if (input.privileged) return [...available];
  const add = input.add.map((name) => normalize('CapAdd', name, available));
  const drop = input.drop.map((name) => normalize('CapDrop', name, available));
  if (add.includes('ALL')) return available.filter((name) => !drop.includes(name));
  if (drop.includes('ALL')) return [...new Set(add)];
  const kept = DEFAULT_CAPABILITIES.filter((name) => !drop.includes(name) && available.includes(name));
  return [...new Set([...kept, ...add])];
}

/** The sets of a process. Where it is not root's, execve(2) empties all but the bounding set, for want of ambient ones. */
export function capabilitySets(names: readonly string[]): OciCapabilities {
  return { bounding: names, effective: names, permitted: names };
}

/** The names in a capability mask as /proc/<pid>/status prints it (hexadecimal). */
export function capabilityNames(mask: string): string[] {
  const bits = BigInt(`0x${mask}`);
  return ALL_CAPABILITIES.filter((_, bit) => (bits >> BigInt(bit)) & 1n);
}

/** The mask of a set, as capset(2) takes it. */
export function capabilityMask(names: readonly string[]): bigint {
  return names.reduce((mask, name) => mask | (1n << BigInt(ALL_CAPABILITIES.indexOf(name))), 0n);
}

function normalize(member: 'CapAdd' | 'CapDrop', text: string, available: readonly string[]): string {
  const upper = text.toUpperCase();
  if (upper === 'ALL') return upper;
  const name = upper.startsWith('CAP_') ? upper : `CAP_${upper}`;
  if (!ALL_CAPABILITIES.includes(name)) throw invalid(`invalid ${member}: unknown capability: "${name}"`);
  if (!available.includes(name)) {
    throw invalid(
      `invalid ${member}: capability not supported by your kernel or not available in the current environment: "${name}"`,
    );
  }
  return name;
}
