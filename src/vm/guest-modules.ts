import type { ShareTransport } from './contract.ts';
import { dependenciesOf, plainName } from './kernel-modules.ts';
import { quickToLoad } from './quick-module.ts';

/** What a guest loads for folders that are shared by the one or the other. */
const TRANSPORTS: Readonly<Record<ShareTransport, readonly string[]>> = {
  '9p': ['9p', '9pnet_virtio'],
  virtiofs: ['virtiofs'],
};

interface ModuleFile {
  readonly path: string;
  readonly data: Buffer;
}

/** A kernel's modules as an initramfs has them. */
export interface GuestModules {
  /** By their files' names. */
  readonly modules: readonly { readonly name: string; readonly data: Buffer }[];
  /** In the order in which they are loaded: `order` always, the others only by a guest that is told their name. */
  readonly lists: Readonly<Record<'order' | ShareTransport, readonly string[]>>;
}

/**
 * Parts modules by when a guest loads them: each takes an emulated processor 10 to 50 ms. They come in an order in which they can
 * be loaded, and stay in it. `unsigned`: the kernel takes them without a signature, so they can be made quicker to load.
 */
export function guestModules(
  files: readonly ModuleFile[],
  { unsigned }: { readonly unsigned: boolean },
): GuestModules {
  const byName = new Map(files.map((file) => [plainName(file.path), file]));
  const closure = (names: readonly string[], into = new Set<string>()): Set<string> => {
    for (const name of names) {
      const file = byName.get(name);
      if (file === undefined || into.has(name)) continue;
      into.add(name);
      closure(dependenciesOf(file.path, file.data), into);
    }
    return into;
  };
  const shares = { '9p': closure(TRANSPORTS['9p']), virtiofs: closure(TRANSPORTS.virtiofs) };
  const always = closure(
    [...byName.keys()].filter((name) => !shares['9p'].has(name) && !shares.virtiofs.has(name)),
  );
  const list = (isListed: (name: string) => boolean) =>
    [...byName].filter(([name]) => isListed(name)).map(([, { path }]) => fileName(path));
  return {
    modules: files.map(({ path, data }) => ({
      name: fileName(path),
      data: unsigned ? quickToLoad(data) : data,
    })),
    lists: {
      order: list((name) => always.has(name)),
      '9p': list((name) => shares['9p'].has(name) && !always.has(name)),
      virtiofs: list((name) => shares.virtiofs.has(name) && !always.has(name)),
    },
  };
}

const fileName = (path: string) => path.slice(path.lastIndexOf('/') + 1);
