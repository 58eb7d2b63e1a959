import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** Labels and identifiers of one image. */
export interface ImageIdentity {
  /** Of the root's file system. */
  readonly rootUuid: string;
}

/** Where a system's berth-made settings are; what is not said here is as Debian has it. */
type SystemFiles = Readonly<Record<string, string | { readonly link: string }>>;

/** Nobody needs these in a machine, or they take seconds of each start under emulation. */
const MASKED_UNITS = [
  // Loading modules for what is not there, or is loaded when it is asked for.
  ...['configfs', 'dm_mod', 'drm', 'efi_pstore', 'fuse', 'loop'].map((name) => `modprobe@${name}.service`),
  ...['sys-kernel-config.mount', 'sys-fs-fuse-connections.mount', 'systemd-pstore.service'],
  ...['e2scrub_reap.service', 'e2scrub_all.timer'], // for LVM alone
  ...['apt-daily.timer', 'apt-daily-upgrade.timer'], // who wants them unmasks them
];

/**
 * Writes berth's settings of a Debian system into a folder like its root, for the time before its packages are set up: the kernel's
 * set-up already needs them.
 */
export async function writeSystemFiles(root: string, identity: ImageIdentity): Promise<void> {
  for (const [path, content] of Object.entries(systemFiles(identity))) {
    const file = join(root, path);
    await mkdir(dirname(file), { recursive: true, mode: 0o755 });
    if (typeof content === 'string') await writeFile(file, content, { mode: 0o644 });
    else await symlink(content.link, file);
  }
}

/** All that {@link writeSystemFiles} writes, whatever the image: two texts that differ are two kinds of system. */
export function describeSystemFiles(): string {
  return JSON.stringify(systemFiles({ rootUuid: '' }));
}

function systemFiles({ rootUuid }: ImageIdentity): SystemFiles {
  return {
    'etc/fstab': `UUID=${rootUuid} / ext4 rw,discard,x-systemd.growfs 0 0\n`,
    'etc/tiny-initramfs/tiny-initramfs.conf': INITRAMFS,
    'boot/grub/grub.cfg': grubConfiguration(rootUuid),
    'etc/udev/rules.d/40-added-processors.rules': ADDED_PROCESSORS,
    'etc/repart.d/50-root.conf': '[Partition]\nType=root\n', // the last one, which takes the room of a larger disk
    'etc/cloud/cloud.cfg.d/90_berth.cfg': CLOUD_INIT,
    'etc/systemd/network/80-berth.network': NETWORK,
    'etc/systemd/resolved.conf.d/berth.conf': '[Resolve]\nResolveUnicastSingleLabel=yes\n', // networks have names like "web"
    'etc/systemd/system/systemd-networkd-wait-online.service.d/berth.conf': WAIT_ONLINE,
    ...enabled('multi-user.target', 'systemd-networkd.service'),
    ...enabled('network-online.target', 'systemd-networkd-wait-online.service'),
    ...Object.fromEntries(MASKED_UNITS.map((unit) => [`etc/systemd/system/${unit}`, { link: '/dev/null' }])),
  };
}

const enabled = (target: string, unit: string): SystemFiles => ({
  [`etc/systemd/system/${target}.wants/${unit}`]: { link: `/lib/systemd/system/${unit}` },
});

/** What a disk of a machine can be behind, each with what it needs. */
const INITRAMFS = `AUTO_MODULES=no
MICROCODE=no
INCLUDE_MODULES=virtio_pci,virtio_mmio,virtio_blk,virtio_scsi,sd_mod,ext4
`;

/** The kernel by the link that Debian keeps to its newest one. */
function grubConfiguration(rootUuid: string): string {
  const words = [
    ...['console=tty0', 'console=ttyS0,115200', 'quiet', 'systemd.show_status=true'],
    'no_timer_check', // on a busy host, an emulated timer comes too late for the check, and the kernel gives up
    // Memory that is added is used at once, and can be given back; room for more is no reason to hold 64 MiB ready for old devices.
    ...['memhp_default_state=online', 'memory_hotplug.online_policy=auto-movable', 'swiotlb=2048'],
  ];
  return `serial --unit=0 --speed=115200
terminal_input console serial
terminal_output console serial
set timeout=0
menuentry Debian {
  linux /vmlinuz root=UUID=${rootUuid} rw ${words.join(' ')}
  initrd /initrd.img
}
menuentry "Debian with the kernel before" {
  linux /vmlinuz.old root=UUID=${rootUuid} rw ${words.join(' ')}
  initrd /initrd.img.old
}
`;
}

/** A processor that is added is used at once, too. */
const ADDED_PROCESSORS =
  'SUBSYSTEM=="cpu", ACTION=="add", TEST=="online", ATTR{online}=="0", ATTR{online}="1"\n';

const CLOUD_INIT = `# As berth has made this system.
datasource_list: [ NoCloud, None ]
# An RSA key takes long under emulation.
ssh_genkeytypes: [ ed25519, ecdsa ]
apt: { preserve_sources_list: true }
locale: false
# systemd-repart and systemd-growfs do this.
growpart: { mode: "off" }
resize_rootfs: false
`;

/** For all cards that nothing else is said of, those added later too. */
const NETWORK = `[Match]
Type=ether
Kind=!*

[Network]
DHCP=yes

[DHCPv4]
ClientIdentifier=mac
UseDomains=yes
UseMTU=yes
`;

/** Whoever waits for the network goes on without it in the end. */
const WAIT_ONLINE = `[Service]
ExecStart=
ExecStart=/lib/systemd/systemd-networkd-wait-online --timeout=30
`;
