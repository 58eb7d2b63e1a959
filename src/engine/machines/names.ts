import { invalid } from '../../base/index.ts';
import { ROOT_DISK } from './new-machine.ts';

/** A machine's host name when none is asked for: its own, of the letters that host names have (RFC 1123). */
export function hostnameOf(name: string): string {
  const plain = name
    .toLowerCase()
    .replace(/[^a-z0-9-]+/g, '-')
    .replace(/^-+|-+$/g, '');
  return plain.slice(0, 63) || 'machine';
}

/** Throws `invalid` for what is no host name. */
export function requireHostname(text: string): void {
  if (/^[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?(?:\.[a-zA-Z0-9-]{1,63})*$/.test(text)) return;
  throw invalid(`"${text}" is no host name`, { hint: 'It has letters, digits and "-" (RFC 1123)' });
}

/** A disk's name is its serial number in the guest, which virtio cuts after 20 bytes. Throws `invalid`. */
export function requireDiskNames(disks: readonly { readonly name: string }[]): void {
  const seen = new Set<string>();
  for (const { name } of disks) {
    if (!/^[a-z0-9][a-z0-9_-]{0,19}$/.test(name)) {
      throw invalid(`"${name}" is no name of a disk`, {
        hint: 'It has 1 to 20 lower-case letters, digits, "-" and "_", as the guest sees it as a serial number',
      });
    }
    if (seen.has(name)) throw invalid(`two disks are called ${name}`);
    seen.add(name);
  }
}

/** "root" comes first, whether it is named or not. */
export function withRoot<Disk extends { readonly name: string }>(
  disks: readonly Disk[],
): {
  readonly root: Disk | undefined;
  readonly others: readonly Disk[];
} {
  return {
    root: disks.find(({ name }) => name === ROOT_DISK),
    others: disks.filter(({ name }) => name !== ROOT_DISK),
  };
}
