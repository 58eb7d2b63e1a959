import { once } from 'node:events';
import { readdir, readFile, rmdir, unlink } from 'node:fs/promises';
import { connect } from 'node:net';
import { conflict, systemErrorCode } from '../base/index.ts';
import { type EngineParts, isActive, openEngine } from '../engine/index.ts';

/**
 * Takes away what an instance has made on the host beside its folders: bridges, firewall rules, the launcher,
 * cgroups. Images, volumes and stopped containers stay; the next berthd makes the rest anew. Throws `conflict` naming
 * the containers that run.
 */
export async function removeHostState(parts: EngineParts): Promise<void> {
  const engine = await openEngine(parts);
  const running = engine.containers.everything().filter(({ state }) => isActive(state));
  if (running.length > 0) {
    throw conflict(
      `containers or machines of this instance run: ${running.map(({ name }) => name).join(', ')}`,
      {
        hint: 'Stop them first',
      },
    );
  }
  await parts.network.removeInstance();
  await endLauncher(parts.settings.execRoot);
  await removeCgroups(parts.settings.instance);
}

/** Its connection ends when the launcher has. */
async function endLauncher(execRoot: string): Promise<void> {
  const pid = Number(await readFile(`${execRoot}/l.pid`, 'utf8'));
  const socket = connect(`${execRoot}/l.sock`);
  await once(socket, 'connect');
  const { promise: closed, resolve } = Promise.withResolvers<void>();
  socket.on('error', () => {}); // a reset, as the launcher just ends; the close follows
  socket.once('close', () => resolve());
  socket.resume();
  process.kill(pid, 'SIGTERM');
  await closed;
  await unlink(`${execRoot}/l.sock`);
}

const CGROUPS = '/sys/fs/cgroup';

/**
 * OCI runtimes leave the folder above a container's cgroup behind, in each hierarchy, and a supervisor that was killed
 * leaves the container's own. A group in which processes run stays: they are not of this instance, whose containers
 * have ended.
 */
async function removeCgroups(instance: string): Promise<void> {
  const name = `berth-${instance}`;
  const hierarchies = await readdir(CGROUPS);
  for (const path of [
    `${CGROUPS}/${name}`,
    ...hierarchies.map((hierarchy) => `${CGROUPS}/${hierarchy}/${name}`),
  ]) {
    await removeCgroup(path).catch((error: unknown) => {
      if (!['ENOENT', 'ENOTDIR', 'EBUSY'].includes(systemErrorCode(error) ?? '')) throw error;
    });
  }
}

/** Those below first. Their files go with them. */
async function removeCgroup(path: string): Promise<void> {
  for (const entry of await readdir(path, { withFileTypes: true })) {
    if (entry.isDirectory()) await removeCgroup(`${path}/${entry.name}`);
  }
  await rmdir(path);
}
