import { invalid } from '../base/index.ts';

/** Kernel parameters that each IPC namespace has for itself (ipc_namespaces(7)). */
const OF_IPC = ['msgmax', 'msgmnb', 'msgmni', 'sem', 'shmall', 'shmmax', 'shmmni', 'shm_rmid_forced'];

/**
 * Throws `invalid` for a parameter that would change the host: one that no namespace has for itself, or one of a namespace
 * that the container shares with the host (the rule of runc, in its words).
 */
export function requireOwnSysctls(
  sysctls: Readonly<Record<string, string>>,
  shared: { readonly network: boolean; readonly ipc: boolean; readonly uts: boolean },
): void {
  for (const name of Object.keys(sysctls)) {
    const namespace = namespaceOf(name.replaceAll('/', '.'));
    if (namespace === undefined) throw invalid(`sysctl "${name}" is not in a separate kernel namespace`);
    if (shared[namespace]) throw invalid(`sysctl "${name}" not allowed in host ${namespace} namespace`);
  }
}

function namespaceOf(name: string): 'network' | 'ipc' | 'uts' | undefined {
  if (name.startsWith('net.')) return 'network';
  if (name.startsWith('fs.mqueue.') || OF_IPC.some((one) => name === `kernel.${one}`)) return 'ipc';
  return name === 'kernel.domainname' ? 'uts' : undefined;
}
