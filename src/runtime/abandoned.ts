import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type ContainerId, internal, run, systemErrorCode } from '../base/index.ts';
import type { SupervisorPlan } from './contract.ts';

type RuntimePlan = SupervisorPlan['runtime'];

const FILE = 'runtime.json';

/** Notes in the container's folder which OCI runtime knows it, for {@link removeAbandoned}. */
export async function noteRuntime(plan: SupervisorPlan): Promise<void> {
  await writeFile(join(plan.directory, FILE), JSON.stringify(plan.runtime));
}

/** The container that a supervisor is for, and where it listens. */
export interface SupervisorAddress {
  readonly id: ContainerId;
  readonly directory: string;
  readonly socketPath: string;
}

/**
 * Ends and deletes a container whose supervisor was killed, and removes its socket, as the supervisor would have done. A
 * container that the runtime does not know is fine. Throws `internal` when the note about the runtime is damaged.
 */
export async function removeAbandoned({ id, directory, socketPath }: SupervisorAddress): Promise<void> {
  await rm(socketPath, { force: true });
  const runtime = await readNote(join(directory, FILE));
  if (runtime === undefined) return;
  await run(runtime.path, [...runtime.args, '--root', runtime.root, 'delete', '--force', id]);
}

async function readNote(path: string): Promise<RuntimePlan | undefined> {
  try {
    return parseNote(JSON.parse(await readFile(path, 'utf8')));
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return undefined;
    throw internal(`${path} cannot be read`, { cause: error });
  }
}

function parseNote(note: unknown): RuntimePlan {
  if (typeof note === 'object' && note !== null && 'path' in note && 'args' in note && 'root' in note) {
    const { path, args, root } = note;
    const isText = (value: unknown) => typeof value === 'string';
    if (typeof path === 'string' && typeof root === 'string' && Array.isArray(args) && args.every(isText)) {
      return { path, args, root };
    }
  }
  throw new TypeError('the note has not the shape of a runtime');
}
