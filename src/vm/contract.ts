import type { ContainerId, Timeline } from '../base/index.ts';
import type { ArchitectureName } from './architecture.ts';

/**
 * What the engine asks of virtual machines: what they run on, what one may have, and the plan that `berth-vm run`
 * (native/vm) carries out. Sizes are bytes, paths are absolute host paths.
 */
export interface VirtualMachines {
  /** The OCI runtime of machines, for {@link MachineRequest.directory} as bundle. */
  readonly runtime: { readonly path: string; readonly args: readonly string[] };
  /** The architectures that machines can have; this host's is the first. */
  readonly architectures: readonly ArchitectureName[];
  /** What machines of an architecture run on here. Fetches nothing and boots nothing. */
  describe(architecture: ArchitectureName, signal?: AbortSignal): Promise<MachineHost>;
  /**
   * What a machine gets. Throws `invalid` for what no machine here can have, `conflict` when the machines that run
   * have too much already; both with the numbers.
   */
  allot(wanted: WantedResources, running: readonly Allotment[]): Allotment;
  /**
   * Puts all that `berth-vm run` needs into the bundle: the plan, the disk of the layers, the writable disk (kept if it is
   * there already). Makes the template on first use. Called before each start that berthd makes; restarts by the
   * supervisor use the same plan. Throws `unavailable` when something that machines need is missing, with what to do.
   */
  prepare(request: MachineRequest, timeline: Timeline, signal?: AbortSignal): Promise<PreparedMachine>;
  /** Takes away a template from which a machine did not start: the next one makes it anew. Machines that run from it go on. */
  discardTemplate(key: string): Promise<void>;
  /** Gives back what a machine has outside its bundle folder. Nothing happens for one that has nothing. */
  release(id: ContainerId): Promise<void>;
  /** Kernels and templates, for `system df`. */
  usage(): Promise<MachineStorage>;
  /** Deletes kernels and templates that no new machine would use; returns the bytes that are free then. */
  prune(): Promise<number>;
}

/** Multiplies instructions, as it runs here. */
export type Accelerator = { readonly name: 'kvm' } | { readonly name: 'tcg'; readonly why: string };

export interface MachineHost {
  readonly accelerator: Accelerator;
  readonly hypervisor: Part<{ readonly path: string; readonly version: string }>;
  readonly kernel: Part<{ readonly release: string; readonly path: string }>;
  /** Berth's own programs inside guests, and their folder. */
  readonly programs: Part<{ readonly path: string }>;
}

/** Something that machines need: it is there, it is fetched at the first start, or why not. */
export type Part<T> =
  | ({ readonly state: 'ready' } & T)
  | { readonly state: 'fetched-on-first-use'; readonly name: string }
  | { readonly state: 'missing'; readonly why: string; readonly hint: string };

/** As the user asked; undefined: the default. */
export interface WantedResources {
  /** As --cpus: 1.5. */
  readonly cpus: number | undefined;
  /** As -m. */
  readonly memory: number | undefined;
}

export interface Allotment {
  /** Virtual processors, at least 1. */
  readonly processors: number;
  /** What the guest's kernel has, itself included. */
  readonly memory: number;
}

/** One machine, as it is to start. */
export interface MachineRequest {
  readonly id: ContainerId;
  /** The bundle: a folder of the container's own that exists. */
  readonly directory: string;
  /** Of the image's programs. */
  readonly architecture: ArchitectureName;
  readonly allotment: Allotment;
  /** The image's EROFS files, the bottom layer first: layer i is partition i + 1 of the guest's disk `layers`. */
  readonly layers: readonly string[];
  /** Size of the disk `writable` (ext4); undefined: the machine has none. */
  readonly writableSize: number | undefined;
  /** Where that disk is, in a folder that exists; undefined: in the bundle. */
  readonly disk?: string;
  readonly network: MachineNetwork | undefined;
  /** Share i is `/i` (a folder) or `/i/file` (anything else) of the one export, whose mount tag is {@link SHARES_TAG}. */
  readonly shares: readonly MachineShare[];
  /** By what the guest reaches them. */
  readonly shareTransport: ShareTransport;
  /** The control group that QEMU runs in; undefined: its parent's. */
  readonly controlGroups: readonly MachineControlGroup[];
  /** Payload of the guest protocol's SETUP without time and seed, which are the monitor's to say at each start. */
  readonly setup: Uint8Array;
  /** Payload of the guest protocol's START for the machine's own process. */
  readonly process: Uint8Array;
  /** As --kernel: an uncompressed kernel (vmlinux) or a bzImage. Undefined: the host's, or Debian's. */
  readonly kernel: string | undefined;
}

/** Interface i is the guest's card with the address `cardAddress(i)` until SETUP gives it its own. */
export interface MachineNetwork {
  /** Path of the network namespace. */
  readonly namespace: string;
  /** The interfaces in that namespace, each joined to a card of the guest. */
  readonly interfaces: readonly string[];
}

/** How a guest reaches the host's folders. By virtiofs it does so several times faster, but all its memory is its own. */
export type ShareTransport = '9p' | 'virtiofs';

export interface MachineShare {
  readonly path: string;
  readonly kind: 'folder' | 'file';
  readonly readOnly: boolean;
}

/** A folder that the monitor makes, with the files that it writes there in order, before it joins. */
export interface MachineControlGroup {
  readonly folder: string;
  readonly settings: readonly { readonly file: string; readonly value: string }[];
}

/** The mount tag of the shares. */
export const SHARES_TAG = 'b0';

export interface PreparedMachine {
  readonly accelerator: Accelerator;
  readonly kernelRelease: string;
  readonly start: MachineStart;
}

/** Warm: from a template of a booted guest. Cold: a kernel boots, and why that must be. */
export type MachineStart =
  | { readonly kind: 'warm'; readonly template: string }
  | { readonly kind: 'cold'; readonly why: string };

export interface MachineStorage {
  readonly kernels: number;
  readonly templates: number;
  /** Part of both that {@link VirtualMachines.prune} would free. */
  readonly reclaimable: number;
}
