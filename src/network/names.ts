import { randomBytes } from 'node:crypto';

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

/** A prefix and random hex digits, as long as an interface's name may be. */
export function freshName(prefix: string): string {
  return `${prefix}${randomBytes(8).toString('hex')}`.slice(0, LONGEST);
}
