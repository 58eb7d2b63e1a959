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
  const record = parseExitRecord(text);
  if (record === undefined) throw internal(`the exit record ${path} is damaged`);
  return record;
}

/** The lines "NAME NUMBER" of a record; undefined when it is damaged. Version 1 has no signal and no memory. */
function parseExitRecord(text: string): ExitStatus | undefined {
  if (!/^berth-exit [12]\n(\w+ \d+\n)+$/.test(text)) return undefined;
  const values = new Map([...text.matchAll(/^(\w+) (\d+)$/gm)].map(([, name, value]) => [name, value]));
  const [code, oom, finished] = ['code', 'oom', 'finished'].map((name) => values.get(name));
  if (code === undefined || oom === undefined || finished === undefined) return undefined;
  const number = (name: string) => Number(values.get(name) ?? 0);
  return {
    kind: 'exited',
    code: Number(code),
    oomKilled: oom === '1',
    finishedAt: new Date(Number(BigInt(finished) / 1_000_000n)),
    ...endDetails({ signal: number('signal'), peak: number('peak'), limit: number('limit') }),
  };
}

/** What a supervisor says of an end beside its code; its 0 is "none" or "not known". */
export function endDetails(end: {
  readonly signal: number;
  readonly peak: number;
  readonly limit: number;
}): Pick<Extract<ExitStatus, { kind: 'exited' }>, 'signal' | 'memory'> {
  const { signal, peak, limit } = end;
  const known = peak > 0 || limit > 0;
  return {
    ...(signal === 0 ? {} : { signal }),
    ...(known ? { memory: { peak: peak || undefined, limit: limit || undefined } } : {}),
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
