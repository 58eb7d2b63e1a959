import { readFile } from 'node:fs/promises';

/** A file of the control group that a process is in, of either version. */
export async function controlGroupFile(pid: number, controller: string, file: string): Promise<string> {
  const lines = (await readFile(`/proc/${pid}/cgroup`, 'utf8')).trim().split('\n');
  const own = lines
    .map((line) => line.split(':'))
    .find(([, names]) => names?.split(',').includes(controller));
  const unified = lines.map((line) => line.split(':')).find(([number]) => number === '0');
  const [path, ...folders] = own === undefined ? [unified?.[2]] : [own[2], controller];
  return (await readFile(['/sys/fs/cgroup', ...folders, path, file].join('/'), 'utf8')).trim();
}

/** Microseconds of processor time in each tenth of a second. */
export async function processorQuota(pid: number): Promise<string> {
  return controlGroupFile(pid, 'cpu', 'cpu.cfs_quota_us').catch(
    async () => (await controlGroupFile(pid, 'cpu', 'cpu.max')).split(' ')[0] ?? '',
  );
}
