import { cp, mkdir, open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runChecked } from '../../src/base/index.ts';
import { hostArchitecture } from '../../src/vm/architecture.ts';
import { GuestInitramfses } from '../../src/vm/guest-initramfs.ts';
import { Hypervisors } from '../../src/vm/hypervisor.ts';
import { Kernels } from '../../src/vm/kernel.ts';
import { writeLayerDisk } from '../../src/vm/layer-disk.ts';
import { machineArguments } from '../../src/vm/machine-arguments.ts';
import { KERNELS } from './machines.ts';

const NATIVE = join(import.meta.dirname, '../../native/build');

/** A file tree by paths: content, or undefined for a folder. */
export type Tree = Readonly<Record<string, string | Buffer | undefined>>;

export interface GuestOptions {
  /** Network cards, joined to nothing. */
  readonly cards?: number;
  readonly processors?: number;
  /** MiB. */
  readonly memory?: number;
  /** Layers above busybox's, the bottom one first. */
  readonly layers?: readonly Tree[];
  /** Bytes of the writable disk; without, what is written is in the guest's memory. */
  readonly writable?: number;
  /** What the guest may mount of the host. */
  readonly shares?: Tree;
}

/** Busybox, a shell that is a copy of it, and two users. */
export async function busyboxTree(): Promise<Tree> {
  const file = await open('/usr/bin/busybox');
  try {
    return {
      'bin/busybox': await file.readFile(),
      'bin/sh': '#!/bin/busybox sh\n',
      'etc/passwd': 'root:x:0:0::/root:/bin/sh\nuser:x:1000:1000::/home/user:/bin/sh\n',
      'etc/group': 'root:x:0:\nuser:x:1000:\n',
      'from-below': 'below',
      tmp: undefined,
    };
  } finally {
    await file.close();
  }
}

/** Makes the disk of a layer in `folder`; returns its path. */
export async function makeLayer(folder: string, index: number, tree: Tree): Promise<string> {
  const source = join(folder, `tree-${index}`);
  const image = join(folder, `layer-${index}.erofs`);
  await writeTree(source, tree);
  await runChecked('mkfs.erofs', ['--quiet', '-x-1', image, source]);
  return image;
}

export async function writeTree(folder: string, tree: Tree): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const [path, content] of Object.entries(tree)) {
    const place = join(folder, path);
    await mkdir(content === undefined ? place : join(place, '..'), { recursive: true });
    if (path === 'bin/sh') await cp('/usr/bin/busybox', place);
    else if (content !== undefined) await writeFile(place, content, { mode: 0o755 });
  }
}

/** Makes what a guest has as disks: the layers as one, and an empty one of `writable` bytes where that is asked for. */
export async function makeDisks(folder: string, layers: readonly string[], writable: number | undefined) {
  const { descriptor, extents } = await writeLayerDisk(folder, layers);
  for (const { path, name } of extents) if (join(folder, name) !== path) await cp(path, join(folder, name));
  if (writable === undefined) return { layers: descriptor.path, writable: undefined };
  const path = join(folder, 'writable.ext4');
  const file = await open(path, 'wx');
  await file.truncate(writable).finally(() => file.close());
  await runChecked('mkfs.ext4', ['-q', path]);
  return { layers: descriptor.path, writable: path };
}

/** Of the host's time stamp counter. */
async function counterKilohertz(): Promise<number> {
  return Number((await runChecked(join(NATIVE, 'berth-vm'), ['measure-tsc'])).stdout.toString());
}

/** QEMU with its arguments: a template's, whose cards are joined to nothing. */
export async function qemuCommand(folder: string, shares: string, options: GuestOptions): Promise<string[]> {
  const { path } = await new Hypervisors(process.env.PATH ?? '').find();
  const kernel = await new Kernels({ cache: KERNELS, configuration: '/nonexistent' }).find(undefined);
  const initramfs = await new GuestInitramfses(folder, NATIVE).for(kernel);
  const memory = (options.memory ?? 256) * 1024 ** 2;
  const memoryFile = join(folder, 'memory');
  const file = await open(memoryFile, 'wx');
  await file.truncate(memory).finally(() => file.close());
  const boot = { kernel: kernel.path, initramfs: initramfs.path, counterKilohertz: await counterKilohertz() };
  const { cards = 0, processors = 1 } = options;
  const rest = machineArguments(
    { architecture: hostArchitecture().name, accelerator: 'tcg', processors, memory, cards },
    { kind: 'template', boot, memoryFile },
    { kind: '9p', folder: shares },
  );
  return [path, ...rest];
}
