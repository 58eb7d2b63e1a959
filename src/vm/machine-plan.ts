import { mkdir, stat } from 'node:fs/promises';
import type { MachineRequest } from './contract.ts';
import { fileServer } from './file-server.ts';
import { writeLayerDisk } from './layer-disk.ts';
import {
  type Boot,
  bootSteps,
  type MachineDisks,
  type MachineShape,
  machineArguments,
  restoreSteps,
  type ShareDevice,
} from './machine-arguments.ts';
import type { MachineFolder } from './machine-folder.ts';
import { type QemuParts, qemuProgram } from './qemu-program.ts';
import type { Template } from './template.ts';
import type { VmFile, VmMachine, VmProgram } from './vm-plan.ts';
import type { WritableDisks } from './writable-disk.ts';

/** A guest that is not there by then hangs, however busy the host is. */
const WARM_TIMEOUT_MS = 30_000;
const COLD_TIMEOUT_MS = 120_000;

/** Where things are in QEMU's root. */
const place = {
  kernel: '/kernel',
  initramfs: '/initramfs',
  memory: '/memory',
  disks: '/disks',
  writable: '/disks/writable',
  shares: '/shares',
};

/** What every way of starting one machine has. */
export interface MachineBody {
  readonly hypervisor: QemuParts;
  readonly shape: MachineShape;
  readonly disks: MachineDisks;
  /** In QEMU's root, beside its program. */
  readonly files: readonly VmFile[];
  /** What it shares: QEMU opens it itself, or this server does. */
  readonly shares: MachineShares;
  /** Bytes that the longest file has to which it may write; undefined: in a shared folder, files are as long as its guest makes them. */
  readonly fileSizeLimit: number | undefined;
}

/** By virtiofs a server has the shares in its root, and QEMU sees an empty folder in their place. */
export type MachineShares =
  | { readonly kind: 'none' }
  | { readonly kind: '9p' }
  | { readonly kind: 'virtiofs'; readonly server: VmProgram };

/** A machine that boots. Paths of `boot` are the host's. */
export async function coldMachine(body: MachineBody, boot: Boot, folder: MachineFolder): Promise<VmMachine> {
  const { kernel, initramfs } = place;
  const files: VmFile[] = [
    { hostPath: await folder.keep(boot.kernel, 'kernel'), name: kernel, idmap: true },
    { hostPath: await folder.keep(boot.initramfs, 'initramfs'), name: initramfs, idmap: true },
  ];
  const args = machineArguments(
    body.shape,
    {
      kind: 'cold',
      boot: { ...boot, kernel, initramfs },
      shares: body.shares.kind === 'none' ? undefined : body.shares.kind,
    },
    shareDevice(body),
  );
  return {
    ...qemuProgram(body.hypervisor, body.shape.accelerator, args, [...body.files, ...files]),
    ...serverOf(body),
    script: bootSteps(body.disks),
    state: undefined,
    templateMemory: undefined,
    fileSizeLimit: body.fileSizeLimit,
    bootTimeout: COLD_TIMEOUT_MS,
  };
}

/** A machine that goes on from a template. */
export async function warmMachine(
  body: MachineBody,
  template: Template,
  folder: MachineFolder,
): Promise<VmMachine> {
  const device = shareDevice(body);
  const kept = await folder.keep(template.memory, 'memory');
  const args = machineArguments(body.shape, { kind: 'warm', memoryFile: place.memory }, device);
  const common = {
    ...serverOf(body),
    script: restoreSteps(body.disks, device.kind),
    state: await folder.keep(template.state, 'state'),
    fileSizeLimit: body.fileSizeLimit,
    bootTimeout: WARM_TIMEOUT_MS,
  };
  const program = (files: readonly VmFile[]) =>
    qemuProgram(body.hypervisor, body.shape.accelerator, args, files);
  if (device.kind === 'virtiofs') {
    // The server of files writes into the machine's memory, so nothing of it can be the template's.
    return { ...program(body.files), ...common, templateMemory: undefined, memory: kept };
  }
  const memory = { hostPath: kept, name: place.memory, idmap: true };
  return { ...program([...body.files, memory]), ...common, templateMemory: place.memory };
}

function shareDevice({ shares }: MachineBody): ShareDevice {
  return { kind: shares.kind === 'virtiofs' ? 'virtiofs' : '9p', folder: place.shares };
}

function serverOf({ shares }: MachineBody): { readonly fileServer?: VmProgram } {
  return shares.kind === 'virtiofs' ? { fileServer: shares.server } : {};
}

/** A machine's disks, and the files in QEMU's root that they and its shares consist of. */
export interface MachineFiles {
  readonly disks: MachineDisks;
  readonly files: readonly VmFile[];
  readonly shares: MachineShares;
  readonly fileSizeLimit: number | undefined;
}

/** Makes a machine's disks and finds what it shares. Files of the host's root are root's for QEMU, too, which is another user. */
export async function machineFiles(
  request: MachineRequest,
  folder: MachineFolder,
  writableDisks: WritableDisks,
  signal?: AbortSignal,
): Promise<MachineFiles> {
  const [layers, writable, shares] = await Promise.all([
    layerFiles(request.layers, folder),
    writableFiles(request, folder, writableDisks, signal),
    sharedFiles(request, folder, signal),
  ]);
  return {
    disks: { layers: layers[0]?.name, writable: writable[0]?.name },
    files: [...layers, ...writable, ...shares.files],
    shares: shares.by,
    fileSizeLimit: await fileSizeLimit(request, writable, shares.by),
  };
}

/** QEMU reads and writes disks by whole ones of these, also where a disk ends within one (bytes). */
const LARGEST_SECTOR = 4096;

/** With a server of files, QEMU's memory is a file, too. */
async function fileSizeLimit(
  { shares, allotment }: MachineRequest,
  disks: readonly VmFile[],
  { kind }: MachineShares,
): Promise<number | undefined> {
  if (kind === '9p' && shares.some(({ readOnly }) => !readOnly)) return undefined;
  const sizes = await Promise.all(disks.map(async ({ hostPath }) => (await stat(hostPath)).size));
  const longest = Math.max(0, ...sizes, kind === 'virtiofs' ? allotment.memory : 0);
  return Math.ceil(longest / LARGEST_SECTOR) * LARGEST_SECTOR;
}

/** The descriptor first. */
async function layerFiles(layers: readonly string[], folder: MachineFolder): Promise<VmFile[]> {
  if (layers.length === 0) return [];
  const { descriptor, extents } = await writeLayerDisk(folder.path, layers);
  return [descriptor, ...extents].map(({ path, name }) => {
    return { hostPath: path, name: `${place.disks}/${name}`, idmap: true };
  });
}

async function writableFiles(
  { writableSize: size, disk }: Pick<MachineRequest, 'writableSize' | 'disk'>,
  folder: MachineFolder,
  disks: WritableDisks,
  signal: AbortSignal | undefined,
): Promise<VmFile[]> {
  if (size === undefined) return [];
  const hostPath = disk ?? folder.file('writable');
  await disks.provide(hostPath, size, signal);
  return [{ hostPath, name: place.writable, writable: true, idmap: true }];
}

async function sharedFiles(
  { shares, shareTransport }: MachineRequest,
  folder: MachineFolder,
  signal: AbortSignal | undefined,
): Promise<{ readonly files: readonly VmFile[]; readonly by: MachineShares }> {
  const files = shares.map(({ path, kind, readOnly }, index) => ({
    hostPath: path,
    name: `${place.shares}/${index}${kind === 'file' ? '/file' : ''}`,
    writable: !readOnly,
    idmap: true,
  }));
  if (files.length > 0 && shareTransport === '9p') return { files, by: { kind: '9p' } };
  const nothing = folder.file('nothing');
  await mkdir(nothing, { recursive: true });
  const empty = [{ hostPath: nothing, name: place.shares }];
  if (files.length === 0) return { files: empty, by: { kind: 'none' } };
  return { files: empty, by: { kind: 'virtiofs', server: await fileServer(place.shares, files, signal) } };
}
