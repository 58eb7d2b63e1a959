import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { internal, systemErrorCode } from '../base/index.ts';
import type { EarlierEnds, ExitStatus } from './contract.ts';
import { runtimeFailure } from './runtime-failure.ts';

/**
 * How the container with this folder ended, from the record that its supervisor wrote
 * (`native/shim/exit-record.h`); undefined when there is none. Throws `internal` when it is damaged.
 */
export async function readExitRecord(directory: string): Promise<ExitStatus | undefined> {
  const path = join(directory, 'exit');
  const text = await readOptional(path);
  if (text === undefined) return undefined;
  if (/^\0*$/.test(text)) return undefined; // a power cut came before its text
  const record = parseExitRecord(text);
  if (record === undefined) throw internal(`the exit record ${path} is damaged`);
  const earlier = parseEarlierEnds((await readOptional(join(directory, 'exits'))) ?? '');
  return earlier.length === 0 || record.kind === 'unknown' ? record : { ...record, earlier };
}

/** The lines of the file `exits`; what is not one is left out, as these ends are of the past. */
function parseEarlierEnds(text: string): EarlierEnds {
  const [head, ...lines] = text.split('\n');
  if (head !== 'berth-exits 1') return [];
  return lines.flatMap((line) => {
    const [code, signal, oom, peak, limit, started, finished, restarts] = line.split(' ');
    if (started === undefined || finished === undefined || restarts === undefined) return [];
    return {
      kind: 'exited',
      code: Number(code),
      oomKilled: oom === '1',
      finishedAt: timeOf(finished),
      run: { startedAt: timeOf(started), restarts: Number(restarts) },
      ...endDetails({ signal: Number(signal), peak: Number(peak), limit: Number(limit) }),
    };
  });
}

/**
 * The lines "NAME NUMBER" of a record, and behind an empty line the words of a restart that failed; undefined when it is
 * damaged. Version 1 has the code, whether it was out of memory, and the time only.
 */
function parseExitRecord(text: string): ExitStatus | undefined {
  const [, lines, words] = /^berth-exit [12]\n((?:\w+ \d+\n)+)(?:\n(.+))?$/s.exec(text) ?? [];
  const values = new Map(
    [...(lines ?? '').matchAll(/^(\w+) (\d+)$/gm)].map(([, name, value]) => [name, value]),
  );
  const [code, oom, finished] = ['code', 'oom', 'finished'].map((name) => values.get(name));
  if (code === undefined || oom === undefined || finished === undefined) return undefined;
  const number = (name: string) => Number(values.get(name) ?? 0);
  const finishedAt = timeOf(finished);
  const started = values.get('started');
  const run =
    started === undefined ? undefined : { startedAt: timeOf(started), restarts: number('restarts') };
  if (words !== undefined && run !== undefined) {
    return { kind: 'not-restarted', reason: runtimeFailure(NOT_RESTARTED, words), finishedAt, run };
  }
  return {
    kind: 'exited',
    code: Number(code),
    oomKilled: oom === '1',
    finishedAt,
    run,
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

/** What a failed restart is called when the OCI runtime's words say nothing better. */
export const NOT_RESTARTED = 'the container could not be restarted';

function timeOf(nanoseconds: string): Date {
  return new Date(Number(BigInt(nanoseconds) / 1_000_000n));
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
