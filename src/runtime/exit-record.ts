import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { internal, systemErrorCode } from '../base/index.ts';
import type { ExitStatus } from './contract.ts';

/**
 * How the container with this folder ended, from the record that its supervisor wrote
 * (`native/shim/exit-record.h`); undefined when there is none. Throws `internal` when it is damaged.
 */
export async function readExitRecord(directory: string): Promise<ExitStatus | undefined> {
  const path = join(directory, 'exit');
  const text = await readOptional(path);
  if (text === undefined) return undefined;
  const match = /^berth-exit 1\ncode (\d+)\noom ([01])\nfinished (\d+)\n$/.exec(text);
  if (match === null) throw internal(`the exit record ${path} is damaged`);
  const [, code, oom, finished] = match;
  return {
    kind: 'exited',
    code: Number(code),
    oomKilled: oom === '1',
    finishedAt: new Date(Number(BigInt(finished ?? 0) / 1_000_000n)),
  };
}

/** Whether the container with this folder has ever been started. */
export async function hasRun(directory: string): Promise<boolean> {
  return (await readOptional(join(directory, 'pid'))) !== undefined;
}

async function readOptional(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return undefined;
    throw internal(`${path} cannot be read`, { cause: error });
  }
}
