import { invalid, run } from '../base/index.ts';
import type { Endpoint } from './contract.ts';

/**
 * Sets kernel parameters of a container's interface, each as "net.ipv4.conf.IFNAME.log_martians=1". Throws `invalid` for one
 * that the kernel does not have, and for a value that it does not take.
 */
export async function setSysctls(
  { containerInterface }: Endpoint,
  sysctls: readonly string[] = [],
  namespacePath: string,
): Promise<void> {
  for (const sysctl of sysctls) {
    const [name = '', value = ''] = sysctl.split('=');
    // The dots of an interface's name are none between folders.
    const path = ['/proc/sys', ...name.split('.')].join('/').replace('/IFNAME/', `/${containerInterface}/`);
    const { code, stderr } = await run('nsenter', [`--net=${namespacePath}`, 'tee', path], { input: value });
    if (code !== 0) throw refused(sysctl, stderr);
  }
}

/** Checks how a parameter is written. Throws `invalid`. */
export function checkInterfaceSysctl(text: string): void {
  if (/^net\.(ipv4|ipv6|mpls)\.[a-z_]+\.IFNAME\.[a-z0-9_]+=\S+$/.test(text)) return;
  throw invalid(`unrecognised network interface sysctl '${text}'`, {
    hint: "Represent 'net.X.Y.ethN.Z=V' as 'net.X.Y.IFNAME.Z=V'; X is ipv4, ipv6 or mpls",
  });
}

function refused(sysctl: string, stderr: string) {
  const reason = /: ([^:]+)$/.exec(stderr.trim())?.[1] ?? stderr.trim();
  return invalid(`the interface's sysctl ${sysctl} cannot be set: ${reason}`);
}
