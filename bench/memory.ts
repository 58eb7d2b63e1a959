import { readdirSync, readFileSync } from 'node:fs';
import { runChecked } from '../src/base/index.ts';
import { docker, type Engine } from './engines.ts';

/** Resident memory, in KiB, of the process that serves an engine's socket and of the containerd beside a dockerd. */
export async function daemonMemory(engine: Engine): Promise<number> {
  const served = await servingProcess(engine.host.slice('unix://'.length));
  const beside = commandOf(served) === 'dockerd' ? processesCalled('containerd') : [];
  return [served, ...beside].map(residentMemory).reduce((a, b) => a + b, 0);
}

/** In KiB. */
export function residentMemory(pid: number): number {
  return field(`/proc/${pid}/status`, 'VmRSS');
}

/** User and system time that a process has taken (proc(5), stat). */
export function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** Private memory, in KiB, of the process that keeps a running container. */
export async function supervisorMemory(engine: Engine, container: string): Promise<number> {
  const init = Number(await docker(engine, 'inspect', '--format', '{{.State.Pid}}', container));
  return privateMemory(field(`/proc/${init}/status`, 'PPid'));
}

/** Who listens on a unix socket. */
export async function servingProcess(socket: string): Promise<number> {
  const { stdout } = await runChecked('ss', [
    '-xlpHn',
    'src',
    `unix:${socket.replace('/var/run/', '/run/')}`,
  ]);
  const pid = /pid=(\d+)/.exec(stdout.toString())?.[1];
  if (pid === undefined) throw new Error(`nobody listens on ${socket}`);
  return Number(pid);
}

function privateMemory(pid: number): number {
  const file = `/proc/${pid}/smaps_rollup`;
  return field(file, 'Private_Clean') + field(file, 'Private_Dirty');
}

function processesCalled(name: string): number[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .map(Number)
    .filter((pid) => commandOf(pid) === name);
}

function commandOf(pid: number): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
  } catch {
    return undefined; // ended meanwhile
  }
}

/** A number from a file of `Name:  number` lines. */
function field(file: string, name: string): number {
  return Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(readFileSync(file, 'utf8'))?.[1] ?? Number.NaN);
}
