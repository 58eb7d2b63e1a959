import { cp, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { type Instance, startInstance } from '../engine/instance.ts';

/** Where scripts/setup-machines keeps the kernel. */
export const KERNELS = `${process.env.BERTH_CACHE ?? '/var/cache/berth'}/machine-kernels`;

/**
 * Starts berthd in fresh folders, with a kernel as if it had fetched one before, and busybox. The data root is a new folder
 * in `place`.
 */
export async function startMachines(place = '/tmp'): Promise<Instance> {
  await using cleanup = new AsyncDisposableStack();
  const dataRoot = await mkdtemp(`${place}/berth-machines-`);
  cleanup.defer(() => rm(dataRoot, { recursive: true, force: true }));
  await mkdir(`${dataRoot}/vm`, { recursive: true });
  // What another set-up is just unpacking there is not a kernel yet.
  const filter = (path: string) => !/\/(unpack|new)-[^/]*$/.test(path);
  await cp(KERNELS, `${dataRoot}/vm/kernels`, { recursive: true, filter });
  const instance = cleanup.use(await startInstance({ dataRoot }));
  await instance.berthOk(['pull', '-q', 'busybox:latest']);
  const closing = cleanup.move();
  return Object.assign(instance, { [Symbol.asyncDispose]: () => closing.disposeAsync() });
}
