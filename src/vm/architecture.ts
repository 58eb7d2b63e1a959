import { notImplemented } from '../base/index.ts';

/** The processors that virtual machines can have, in the words of images, and of Debian for its packages. */
export type ArchitectureName = 'amd64' | 'arm64';

/** All that differs from one to the other where a guest is made: what is written nowhere else need not be thought of. */
export interface Architecture {
  readonly name: ArchitectureName;
  /** QEMU's program for it, and Debian's package of that. */
  readonly emulator: { readonly program: string; readonly package: string };
  /** QEMU's -M: a machine with slots for virtio-mmio, on which a kernel boots without a firmware. */
  readonly machine: Readonly<Record<'kvm' | 'tcg', string>>;
  /** QEMU's -cpu under emulation, and what is changed of it (`-NAME`, `NAME=off`). */
  readonly emulatedProcessor: { readonly model: string; readonly features: readonly string[] };
  /** What its kernels call the first serial line. */
  readonly console: string;
  /** Words of the kernel's command line that kernels for others do not know. */
  readonly kernelWords: readonly string[];
  /** Whether the guest is told how fast the host's time stamp counter runs, as it has that and cannot measure it reliably. */
  readonly countsByHost: boolean;
  /** In ELF files (elf(5), e_machine). */
  readonly elfMachine: number;
  /** As compilers call the system: programs for guests are built by `TRIPLE-gcc` into the folder of this name. */
  readonly triple: string;
  /** Debian's packages of that compiler on another host. */
  readonly compilerPackages: string;
}

const architectures: Readonly<Record<ArchitectureName, Architecture>> = {
  amd64: {
    name: 'amd64',
    emulator: { program: 'qemu-system-x86_64', package: 'qemu-system-x86' },
    // It has no PCI. Without ACPI its virtio devices could only be named on the kernel's command line, which Debian's kernels do not read.
    machine: { kvm: 'microvm,acpi=on,isa-serial=on', tcg: 'microvm,acpi=on,isa-serial=on' },
    // It must not say that `rep movsb` and `rep stosb` are the fastest way to copy and to clear memory: emulation takes each byte by
    // itself, and all kernels and C libraries believe it. Both work all the same.
    emulatedProcessor: { model: 'max', features: ['-erms', '-fsrm'] },
    console: 'ttyS0',
    kernelWords: [
      ...['reboot=t', 'no_timer_check', 'noreplace-smp'],
      // Looks up 40,000 functions by name, to leave those that can never be called out of the list of what can be traced.
      'initcall_blacklist=ftrace_check_for_weak_functions',
    ],
    countsByHost: true,
    elfMachine: 62,
    triple: 'x86_64-linux-gnu',
    compilerPackages: 'gcc-x86-64-linux-gnu libc6-dev-amd64-cross',
  },
  arm64: {
    name: 'arm64',
    emulator: { program: 'qemu-system-aarch64', package: 'qemu-system-arm' },
    // KVM has the interrupt controller of the host.
    machine: { kvm: 'virt,gic-version=host', tcg: 'virt,gic-version=3' },
    // Its kernel signs each return address, which takes an emulated processor five times as long as all the rest of a boot.
    emulatedProcessor: { model: 'max', features: ['pauth=off'] },
    console: 'ttyAMA0',
    kernelWords: [],
    countsByHost: false,
    elfMachine: 183,
    triple: 'aarch64-linux-gnu',
    compilerPackages: 'gcc-aarch64-linux-gnu libc6-dev-arm64-cross',
  },
};

const nodeNames: Partial<Record<NodeJS.Architecture, ArchitectureName>> = { x64: 'amd64', arm64: 'arm64' };

/** This host's own. Throws `not-implemented` for a processor that berth has no machines for. */
export function hostArchitecture(node: NodeJS.Architecture = process.arch): Architecture {
  const name = nodeNames[node];
  if (name === undefined) throw notImplemented(`berth has no virtual machines for ${node} processors`);
  return architectures[name];
}

export function architectureNamed(name: ArchitectureName): Architecture {
  return architectures[name];
}

export function isArchitectureName(text: string): text is ArchitectureName {
  return Object.hasOwn(architectures, text);
}

/** Of all that machines can have: this host's first. */
export function architectureNames(): readonly ArchitectureName[] {
  const own = hostArchitecture().name;
  return [
    own,
    ...Object.keys(architectures)
      .filter(isArchitectureName)
      .filter((name) => name !== own),
  ];
}

/** The name of an ELF file's machine (elf(5), e_machine); undefined for one that no guest has. */
export function architectureOfElf(machine: number): ArchitectureName | undefined {
  return Object.values(architectures).find(({ elfMachine }) => elfMachine === machine)?.name;
}
