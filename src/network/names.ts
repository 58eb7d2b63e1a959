import { randomBytes } from 'node:crypto';
import { invalid } from '../base/index.ts';

/** Interface names end at 15 bytes (IFNAMSIZ with its zero). */
const LONGEST = 15;

/** How one instance names what it makes on the host, so that instances never touch each other's things. */
export interface InstanceNames {
  /** The nftables table. */
  readonly table: string;
  /** The bridge of the network "bridge". */
  readonly defaultBridge: string;
  /** What every further bridge's name begins with. */
  readonly bridgePrefix: string;
  /** What the host's end of every veth pair begins with. */
  readonly vethPrefix: string;
}

/** Names for an instance of at most 8 letters and digits. */
export function instanceNames(instance: string): InstanceNames {
  if (!/^[a-z0-9]{1,8}$/.test(instance)) throw new RangeError(`"${instance}" is no instance name`);
  const isDefault = instance === 'default';
  return {
    table: `berth_${instance}`,
    defaultBridge: isDefault ? 'berth0' : `br${instance}`,
    bridgePrefix: isDefault ? 'berth-' : `br${instance}`,
    vethPrefix: isDefault ? 'bv' : `v${instance}`,
  };
}

/** Whether an interface's name can only come from {@link freshName} with one of the instance's prefixes. */
export function isMadeBy({ bridgePrefix, vethPrefix }: InstanceNames, name: string): boolean {
  return [bridgePrefix, vethPrefix].some(
    (prefix) =>
      name.length === LONGEST && name.startsWith(prefix) && /^[0-9a-f]+$/.test(name.slice(prefix.length)),
  );
}

/** Checks a name that a user gave an interface; it goes into commands and rules. Throws `invalid`. */
export function checkInterfaceName(name: string): void {
  if (/^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/.test(name) && name.length <= LONGEST) return;
  throw invalid(`invalid interface name: "${name}"`, {
    hint: `It has at most ${LONGEST} letters, digits, "_", "." and "-", and starts with a letter or digit`,
  });
}

/** A prefix and random hex digits, as long as an interface's name may be. */
export function freshName(prefix: string): string {
  return `${prefix}${randomBytes(8).toString('hex')}`.slice(0, LONGEST);
}
