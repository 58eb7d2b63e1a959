import { readdir, readFile } from 'node:fs/promises';
import { conflict, invalid, run, unavailable } from '../../base/index.ts';
import { findControlGroup } from '../../runtime/index.ts';
import { type ContainerRecord, goingOnHint, isMachine } from './container.ts';
import { type ContainerContext, emit } from './context.ts';
import { admitActive } from './operations.ts';
import { controlOf } from './vm/guest.ts';
import { guestProcessTable } from './vm/process-table.ts';

/** What `ps` prints: its header's columns, and one row of as many for each process. */
export interface ProcessTable {
  readonly titles: readonly string[];
  readonly processes: readonly (readonly string[])[];
}

/**
 * A container's processes as the host's `ps` shows them, by the host's pids; a virtual machine's by those of its guest. Throws `conflict` when it does not run.
 */
export async function listProcesses(
  context: ContainerContext,
  reference: string,
  options: readonly string[],
  signal: AbortSignal,
): Promise<ProcessTable> {
  const record = context.collection.find(reference);
  const { pid } = admitActive(record, 'top');
  if (isMachine(record)) return listGuestProcesses(context, record, options, signal);
  const pids = await processesOf(context, record.id, pid);
  const { code, stdout, stderr } = await run('ps', options);
  if (code !== 0) throw invalid(`ps ${options.join(' ')} failed: ${firstLine(stderr)}`);
  const table = parseProcesses(stdout.toString(), pids);
  emit(context, record, 'top');
  return table;
}

async function listGuestProcesses(
  context: ContainerContext,
  record: ContainerRecord,
  options: readonly string[],
  signal: AbortSignal,
): Promise<ProcessTable> {
  const { name, state } = record;
  if (state.status === 'paused') {
    throw conflict(`the virtual machine ${name} is paused, and tells nothing of its processes`, {
      hint: goingOnHint(record),
    });
  }
  const control = controlOf(context, record);
  const [records, accounts] = await Promise.all([control.processes(signal), control.statistics(signal)]);
  const table = guestProcessTable(records, options, { accounts });
  emit(context, record, 'top');
  return table;
}

/** Reads ps's output, keeping the rows of `pids`. The last column may have blanks. Throws `invalid` without a PID column. */
export function parseProcesses(text: string, pids: ReadonlySet<number>): ProcessTable {
  const [header = '', ...lines] = text.split('\n').filter((line) => line.trim() !== '');
  const titles = header.trim().split(/\s+/);
  const pidColumn = titles.indexOf('PID');
  if (pidColumn < 0) {
    throw invalid("Couldn't find PID field in ps output", {
      hint: 'Let ps print it, for example by "-o pid,comm"',
    });
  }
  const rows = lines.map((line) => columns(line, titles.length));
  return { titles, processes: rows.filter((row) => pids.has(Number(row[pidColumn]))) };
}

function columns(line: string, count: number): string[] {
  const words = line.trim().split(/\s+/);
  return [...words.slice(0, count - 1), words.slice(count - 1).join(' ')];
}

/** All that is in the container's control group, and in those below it. */
async function processesOf(context: ContainerContext, id: string, pid: number): Promise<ReadonlySet<number>> {
  const group = await findControlGroup({ pid, id }, context.parts.hostFacts.cgroups.version);
  const folders = group.version === 2 ? [group.folder] : group.folders.values();
  for (const folder of folders) {
    const pids = new Set(await pidsBelow(folder));
    if (pids.has(pid)) return pids;
  }
  throw unavailable(`the control group of process ${pid} is not visible below /sys/fs/cgroup`);
}

async function pidsBelow(folder: string): Promise<number[]> {
  const text = await readFile(`${folder}/cgroup.procs`, 'utf8').catch(() => undefined);
  if (text === undefined) return []; // removed meanwhile, or in another hierarchy
  const pids = text.split('\n').filter(Boolean).map(Number);
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  for (const entry of entries)
    if (entry.isDirectory()) pids.push(...(await pidsBelow(`${folder}/${entry.name}`)));
  return pids;
}

function firstLine(text: string): string {
  return text.trim().split('\n')[0] ?? '';
}
