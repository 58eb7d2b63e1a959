import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errorMessage, run, unavailable } from '../base/index.ts';
import { controllerFolder, findControlGroup } from './control-group.ts';
import type { OciRuntime } from './oci-runtimes.ts';
import type { OciResources } from './oci-types.ts';
import type { CgroupFacts } from './resources.ts';

/** A container that runs, as its OCI runtime knows it. */
export interface RunningContainerFacts {
  readonly id: string;
  /** Its own folder. */
  readonly directory: string;
  readonly pid: number;
  readonly runtime: OciRuntime;
  /** The runtime's state folder. */
  readonly stateRoot: string;
}

/**
 * Gives a running container other limits; what `resources` leaves out stays as it is, but a missing limit of processes means
 * none. Throws `unavailable` with the runtime's own words when the kernel refuses.
 */
export async function changeResources(
  container: RunningContainerFacts,
  resources: Omit<OciResources, 'devices'>,
  cgroups: CgroupFacts,
): Promise<void> {
  const { pids, ...others } = resources;
  if (Object.keys(others).length > 0) await updateByRuntime(container, others);
  if (cgroups.pids) await writePidsLimit(container, pids?.limit, cgroups);
}

async function updateByRuntime(
  { id, directory, runtime, stateRoot }: RunningContainerFacts,
  resources: object,
): Promise<void> {
  const file = join(directory, 'limits.json'); // crun opens "-" as /dev/stdin, which a socket cannot be
  try {
    await writeFile(file, JSON.stringify(resources), { mode: 0o600 });
    const args = [...runtime.args, '--root', stateRoot, 'update', '--resources', file, id];
    const { code, stderr } = await run(runtime.path, args);
    if (code !== 0) throw unavailable(`${runtime.name} could not change the limits: ${stderr.trim()}`);
  } finally {
    await rm(file, { force: true });
  }
}

/** Not by the runtime: crun 1.8 cannot take a limit of processes away. */
async function writePidsLimit(
  { id, pid }: RunningContainerFacts,
  limit: number | undefined,
  { version }: CgroupFacts,
): Promise<void> {
  const folder = controllerFolder(await findControlGroup({ id, pid }, version), 'pids');
  if (folder === undefined) return;
  try {
    await writeFile(`${folder}/pids.max`, String(limit ?? 'max'));
  } catch (cause) {
    throw unavailable(`the limit of processes could not be changed: ${errorMessage(cause)}`, { cause });
  }
}
