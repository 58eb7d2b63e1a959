import { mkdir, mkdtemp, readdir, rm, symlink } from 'node:fs/promises';
import { type Instance, startInstance } from '../engine/instance.ts';

/** Where scripts/setup-machines keeps Debian systems. */
export const SYSTEMS = `${process.env.BERTH_CACHE ?? '/var/cache/berth'}/machine-systems/images`;

/** Starts berthd in fresh folders, with Debian systems as if it had made them before. */
export async function startWithSystems(): Promise<Instance> {
  await using cleanup = new AsyncDisposableStack();
  const dataRoot = await mkdtemp('/tmp/berth-systems-');
  cleanup.defer(() => rm(dataRoot, { recursive: true, force: true }));
  const images = `${dataRoot}/vm/images`;
  await mkdir(images, { recursive: true });
  for (const name of await readdir(SYSTEMS)) await symlink(`${SYSTEMS}/${name}`, `${images}/${name}`);
  const instance = cleanup.use(await startInstance({ dataRoot }));
  const closing = cleanup.move();
  return Object.assign(instance, { [Symbol.asyncDispose]: () => closing.disposeAsync() });
}
