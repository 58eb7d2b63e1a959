import { readdir, readFile, stat } from 'node:fs/promises';
import { availableParallelism, release } from 'node:os';
import { capabilityNames } from './capabilities.ts';
import type { CgroupFacts } from './resources.ts';
import { type HardLimits, parseHardLimits } from './ulimits.ts';

/** What container specs depend on and the host decides. Read once, when berthd starts. */
export interface HostFacts {
  /** In Docker's words: "amd64", "arm64". */
  readonly architecture: string;
  /** The kernel's release. */
  readonly kernel: string;
  /** The capabilities that berth itself has, and so can give. */
  readonly capabilities: readonly string[];
  readonly hardLimits: HardLimits;
  readonly cgroups: CgroupFacts;
  /** Folders with the CPUs' temperatures, which tell containers about each other: masked. */
  readonly thermalFolders: readonly string[];
}

const DOCKER_ARCHITECTURE: Readonly<Record<string, string>> = { x64: 'amd64', ia32: '386' };

export async function readHostFacts(): Promise<HostFacts> {
  const status = await readFile('/proc/self/status', 'utf8');
  return {
    architecture: DOCKER_ARCHITECTURE[process.arch] ?? process.arch,
    kernel: release(),
    capabilities: capabilityNames(/^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0'),
    hardLimits: parseHardLimits(await readFile('/proc/self/limits', 'utf8')),
    cgroups: await readCgroupFacts(),
    thermalFolders: await findThermalFolders(),
  };
}

const CGROUP_ROOT = '/sys/fs/cgroup';

async function readCgroupFacts(): Promise<CgroupFacts> {
  const controllers = await readFile(`${CGROUP_ROOT}/cgroup.controllers`, 'utf8').catch(() => undefined);
  return controllers === undefined ? readCgroupV1Facts() : unifiedFacts(controllers.trim().split(/\s+/));
}

async function unifiedFacts(controllers: readonly string[]): Promise<CgroupFacts> {
  const memory = controllers.includes('memory');
  return {
    version: 2,
    memory,
    swap: memory && (await exists('/proc/swaps')),
    cpu: controllers.includes('cpu'),
    cpuset: controllers.includes('cpuset'),
    pids: controllers.includes('pids'),
    blkioWeight: controllers.includes('io'),
    oomKillDisable: false,
    ...(await readSets('cpuset.cpus.effective', 'cpuset.mems.effective')),
  };
}

async function readCgroupV1Facts(): Promise<CgroupFacts> {
  const has = (path: string) => exists(`${CGROUP_ROOT}/${path}`);
  return {
    version: 1,
    memory: await has('memory/memory.limit_in_bytes'),
    swap: await has('memory/memory.memsw.limit_in_bytes'),
    cpu: await has('cpu/cpu.cfs_quota_us'),
    cpuset: await has('cpuset/cpuset.cpus'),
    pids: await has('pids/cgroup.procs'),
    blkioWeight: (await has('blkio/blkio.weight')) || (await has('blkio/blkio.bfq.weight')),
    oomKillDisable: await has('memory/memory.oom_control'),
    ...(await readSets('cpuset/cpuset.cpus', 'cpuset/cpuset.mems')),
  };
}

/** The root's own sets; where cgroups do not tell, all CPUs and the one memory node that every machine has. */
async function readSets(
  cpusFile: string,
  memsFile: string,
): Promise<Pick<CgroupFacts, 'cpuCount' | 'cpus' | 'mems'>> {
  const cpuCount = availableParallelism();
  const read = async (file: string, otherwise: string) => {
    const text = await readFile(`${CGROUP_ROOT}/${file}`, 'utf8').catch(() => '');
    return text.trim() === '' ? otherwise : text.trim();
  };
  return { cpuCount, cpus: await read(cpusFile, `0-${cpuCount - 1}`), mems: await read(memsFile, '0') };
}

async function findThermalFolders(): Promise<string[]> {
  const base = '/sys/devices/system/cpu';
  const names = await readdir(base).catch(() => []);
  const folders = names
    .filter((name) => /^cpu\d+$/.test(name))
    .map((name) => `${base}/${name}/thermal_throttle`);
  const present = await Promise.all(folders.map(exists));
  return folders.filter((_, index) => present[index]);
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
