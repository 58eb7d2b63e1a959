import { readdir, readFile, readlink } from 'node:fs/promises';
import { constants } from 'node:os';
import { invalid, systemErrorCode } from '../../base/index.ts';

/** How long PID 1 may live on after a signal that it cannot receive, before others get it (milliseconds). */
export const UNRECEIVED_GRACE = 100;

/** A container whose label has the value "pid1" is stopped exactly as Docker does: PID 1 alone is signalled. */
export const STOP_MODE_LABEL = 'berth.stop-mode';

/**
 * Whether a signal means nothing to a container's PID 1: it has no handler, does not ignore or block it, and is not
 * waiting for signals. The kernel drops such a signal for the first process of a pid namespace (pid_namespaces(7)), so
 * that a plain `sh -c` or `sleep` lives on until it is killed.
 */
export async function isDroppedByPid1(pid: number, signal: number): Promise<boolean> {
  try {
    const [status, syscall] = await Promise.all([
      readFile(`/proc/${pid}/status`, 'utf8'),
      readFile(`/proc/${pid}/syscall`, 'utf8').catch(() => ''),
    ]);
    return !knowsSignal(status, signal) && !waitsForSignals(syscall);
  } catch (error) {
    if (isGone(error)) return false;
    throw error;
  }
}

/** Whether one of SigCgt, SigIgn and SigBlk of a /proc/PID/status has the signal (proc(5)). */
export function knowsSignal(status: string, signal: number): boolean {
  const bit = 1n << BigInt(signal - 1);
  return ['SigCgt', 'SigIgn', 'SigBlk'].some((name) => {
    const mask = new RegExp(`^${name}:\\s*([0-9a-f]+)$`, 'm').exec(status)?.[1] ?? '0';
    return (BigInt(`0x${mask}`) & bit) !== 0n;
  });
}

/** The number of rt_sigtimedwait, which sigwait(3) and sigwaitinfo(2) are made of. */
const RT_SIGTIMEDWAIT: Readonly<Record<string, number>> = { x64: 128, arm64: 137 };

function waitsForSignals(syscall: string): boolean {
  return Number(syscall.split(' ', 1)[0]) === RT_SIGTIMEDWAIT[process.arch];
}

/** The container's other processes, in the host's numbers, without `ignored` ones and what those have started. */
export async function otherProcesses(pid1: number, ignored: ReadonlySet<number>): Promise<number[]> {
  const namespace = await namespaceOf(pid1);
  if (namespace === undefined) return [];
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const inside = await Promise.all(pids.map(async (pid) => (await namespaceOf(pid)) === namespace));
  const others = pids.filter((pid, index) => pid !== pid1 && inside[index]);
  if (ignored.size === 0) return others;
  const parents = new Map(await Promise.all(others.map(async (pid) => [pid, await parentOf(pid)] as const)));
  return others.filter((pid) => !descendsFrom(pid, ignored, parents));
}

function descendsFrom(
  pid: number,
  ancestors: ReadonlySet<number>,
  parents: ReadonlyMap<number, number | undefined>,
): boolean {
  for (let at: number | undefined = pid; at !== undefined; at = parents.get(at)) {
    if (ancestors.has(at)) return true;
  }
  return false;
}

async function parentOf(pid: number): Promise<number | undefined> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  const parent = /^PPid:\s+(\d+)$/m.exec(status)?.[1];
  return parent === undefined ? undefined : Number(parent);
}

/** Signals a process; one that has ended meanwhile is fine. */
export function signalIfThere(pid: number, signal: number): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (!isGone(error)) throw error;
  }
}

/** "SIGTERM" for 15, for messages. */
export function signalName(number: number): string {
  return Object.entries(constants.signals).find(([, value]) => value === number)?.[0] ?? String(number);
}

/** A signal's number from "SIGTERM", "term" or "15"; throws `invalid`. */
export function signalNumber(text: string): number {
  const upper = text.toUpperCase();
  const name = upper.startsWith('SIG') ? upper : `SIG${upper}`;
  const known = Object.entries(constants.signals).find(([key]) => key === name)?.[1];
  const number = known ?? (/^\d+$/.test(text) ? Number(text) : realTimeSignal(name));
  if (number === undefined || number < 1 || number > 64) throw invalid(`invalid signal: ${text}`);
  return number;
}

/** SIGRTMIN+n and SIGRTMAX-n, which Node does not list. */
function realTimeSignal(name: string): number | undefined {
  const match = /^SIGRT(MIN|MAX)(?:([+-])(\d+))?$/.exec(name);
  if (match === null) return undefined;
  const [, base, sign = '+', offset = '0'] = match;
  return (base === 'MIN' ? 34 : 64) + (sign === '-' ? -1 : 1) * Number(offset);
}

async function namespaceOf(pid: number): Promise<string | undefined> {
  return readlink(`/proc/${pid}/ns/pid`).catch(() => undefined);
}

const isGone = (error: unknown) => ['ENOENT', 'ESRCH'].includes(systemErrorCode(error) ?? '');
