import { invalid } from '../../../base/index.ts';

/** A release of Debian that berth makes systems of. */
export interface DebianRelease {
  readonly codename: string;
  /** "12"; undefined before it has one. */
  readonly version: string | undefined;
  /** Suites beside the release's own in the archive, and those of the archive of security updates. */
  readonly updates: readonly string[];
  readonly security: readonly string[];
  /** Beside {@link PACKAGES}: what is part of another package in other releases. */
  readonly packages: readonly string[];
}

const bookworm = stable('bookworm', '12', []);
const trixie = stable('trixie', '13', ['systemd-repart']);
const sid: DebianRelease = {
  ...{ codename: 'sid', version: undefined, updates: [], security: [], packages: ['systemd-repart'] },
};

/** The newest stable one comes last but for sid, which never is released. */
export const RELEASES: readonly DebianRelease[] = [bookworm, trixie, sid];

/** What every system has: a kernel for virtual hardware, and what berth and cloud-init need to reach it. No package's recommendations. */
const PACKAGES: readonly string[] = [
  // The kernel, which finds its root by a few modules in order: the common initramfs takes ten times as long under emulation.
  ...['linux-image-cloud-amd64', 'tiny-initramfs'],
  ...['systemd-sysv', 'systemd-resolved', 'udev', 'dbus', 'libpam-systemd'],
  ...['cloud-init', 'openssh-server', 'qemu-guest-agent', 'sudo'],
  ...['ca-certificates', 'iproute2', 'iputils-ping', 'less', 'netbase', 'procps'],
];

/** All that is asked for of a release; what these need comes with them. */
export const packagesOf = ({ packages }: DebianRelease): readonly string[] => [...PACKAGES, ...packages];

/** By its code name or number; "" for the newest stable one. Throws `invalid` for another. */
export function debianRelease(name: string): DebianRelease {
  if (name === '') return trixie;
  const found = RELEASES.find(({ codename, version }) => name === codename || name === version);
  if (found !== undefined) return found;
  const known = RELEASES.map(({ codename, version }) =>
    version === undefined ? codename : `${codename} (${version})`,
  );
  throw invalid(`berth makes no Debian systems of a release "${name}"`, {
    hint: `It knows ${known.join(', ')}`,
  });
}

function stable(codename: string, version: string, packages: readonly string[]): DebianRelease {
  const updates = [`${codename}-updates`];
  return { codename, version, updates, security: [`${codename}-security`], packages };
}
