import { mkdir, readFile, readlink, unlink, writeFile } from 'node:fs/promises';
import { conflict, systemErrorCode } from '../base/index.ts';

/**
 * One berthd per data root: a file with the owner's pid and start time, so that a leftover of a killed one, or a
 * pid that was given out again, does not block. Throws `conflict` naming the owner.
 */
export async function lockDataRoot(dataRoot: string): Promise<AsyncDisposable> {
  await mkdir(dataRoot, { recursive: true, mode: 0o711 });
  const path = `${dataRoot}/berthd.lock`;
  const own = `${process.pid} ${await startTime(process.pid)}`;
  try {
    await writeFile(path, own, { flag: 'wx' });
  } catch (error) {
    if (systemErrorCode(error) !== 'EEXIST') throw error;
    await takeOver(path, own, dataRoot);
  }
  return { [Symbol.asyncDispose]: () => unlink(path) };
}

async function takeOver(path: string, own: string, dataRoot: string): Promise<void> {
  const [pid = '0', started] = (await readFile(path, 'utf8')).split(' ');
  if ((await startTime(Number(pid))) === started && (await sameHost(Number(pid)))) {
    throw conflict(`another berthd (pid ${pid}) already uses ${dataRoot}`, {
      hint: 'Stop it, or give this one another --data-root and --exec-root',
    });
  }
  await writeFile(path, own);
}

/** Field 22 of /proc/PID/stat, in clock ticks since boot (proc(5)); undefined when there is no such process. */
async function startTime(pid: number): Promise<string | undefined> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** A pid means something only in the pid namespace that it was written in. */
async function sameHost(pid: number): Promise<boolean> {
  const namespaceOf = (process: number | 'self') => readlink(`/proc/${process}/ns/pid`).catch(() => '');
  return (await namespaceOf(pid)) === (await namespaceOf('self'));
}
