import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { notFound } from '../base/index.ts';

/** A control group of a container: one folder on the unified hierarchy, a folder per controller on version 1. */
export type ControlGroup =
  | { readonly version: 2; readonly folder: string }
  | { readonly version: 1; readonly folders: ReadonlyMap<string, string> };

/** Where cgroups and processes are seen; tests have their own. */
export interface ControlGroupPlaces {
  readonly cgroups: string;
  readonly proc: string;
}

export const HOST_PLACES: ControlGroupPlaces = { cgroups: '/sys/fs/cgroup', proc: '/proc' };

/**
 * Finds the control group of a process. Where it is the first one of a container that moved itself deeper, as systemd and
 * nested engines do, the container's own group is found by `id` in the path. Throws `not-found` when the process has ended.
 */
export async function findControlGroup(
  { pid, id }: { readonly pid: number; readonly id?: string },
  version: 1 | 2,
  places: ControlGroupPlaces = HOST_PLACES,
): Promise<ControlGroup> {
  const text = await readFile(`${places.proc}/${pid}/cgroup`, 'utf8').catch((cause: unknown) => {
    throw notFound(`process ${pid} has ended`, { cause });
  });
  const folders = new Map<string, string>();
  for (const [, controllers = '', path = '/'] of text.matchAll(/^\d+:([^:]*):(.*)$/gm)) {
    const group = id === undefined ? path : upTo(path, id);
    if (controllers === '') {
      if (version === 2) return { version, folder: join(places.cgroups, group) };
      continue; // the empty unified tree beside version 1
    }
    const mounted = controllers.replace(/^name=/, '');
    for (const controller of mounted.split(',')) {
      folders.set(controller, join(places.cgroups, mounted, group));
    }
  }
  return { version: 1, folders };
}

/** The folder with a controller's files; undefined where the host has no such controller. */
export function controllerFolder(group: ControlGroup, controller: string): string | undefined {
  return group.version === 2 ? group.folder : group.folders.get(controller);
}

/** The part of a path that ends with the element that names the container; the whole path when none does. */
function upTo(path: string, id: string): string {
  const elements = path.split('/');
  const last = elements.findIndex((element) => element.includes(id));
  return last < 0 ? path : elements.slice(0, last + 1).join('/');
}
