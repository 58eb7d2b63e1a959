import { readFile } from 'node:fs/promises';
import { cpus, hostname, release, totalmem } from 'node:os';
import type { FastifyInstance } from 'fastify';
import { type Engine, isActive, LOG_DRIVERS, NETWORK_DRIVERS } from '../../engine/index.ts';
import type { MachineHost, Part, VirtualMachines } from '../../vm/index.ts';
import { API_VERSION, MIN_API_VERSION } from '../versions.ts';

/** Ping, version, info. */
export function systemRoutes(app: FastifyInstance, engine: Engine): void {
  app.get('/_ping', (_request, reply) => {
    reply.headers({
      'Builder-Version': '2',
      'Cache-Control': 'no-cache, no-store, must-revalidate',
      Pragma: 'no-cache',
      Swarm: 'inactive',
    });
    reply.type('text/plain; charset=utf-8');
    return 'OK';
  });
  app.get('/version', () => versionAnswer(engine));
  app.get('/info', () => infoAnswer(engine));
}

const ARCHITECTURES: Record<string, string> = { x64: 'amd64', arm64: 'arm64' };
const architecture = ARCHITECTURES[process.arch] ?? process.arch;

function versionAnswer({ parts }: Engine) {
  const { version } = parts.settings;
  return {
    Platform: { Name: 'berth' },
    Components: [
      {
        Name: 'Engine',
        Version: version,
        Details: {
          ApiVersion: API_VERSION,
          Arch: architecture,
          KernelVersion: release(),
          MinAPIVersion: MIN_API_VERSION,
          Os: 'linux',
          NodeVersion: process.version,
        },
      },
      ...[...parts.runtimes.available.values()].map((runtime) => ({
        Name: runtime.name,
        Version: runtime.version,
        Details: {},
      })),
    ],
    Version: version,
    ApiVersion: API_VERSION,
    MinAPIVersion: MIN_API_VERSION,
    GitCommit: '',
    GoVersion: '',
    Os: 'linux',
    Arch: architecture,
    KernelVersion: release(),
    BuildTime: '',
  };
}

const LAYER_FORMATS = { erofs: 'EROFS', folder: 'folders' } as const;

async function forwardsIPv4(): Promise<boolean> {
  const setting = await readFile('/proc/sys/net/ipv4/ip_forward', 'utf8').catch(() => '');
  return setting.trim() === '1';
}

async function infoAnswer({ parts, containers, images }: Engine) {
  const all = containers.list();
  const count = (status: string) => all.filter(({ state }) => state.status === status).length;
  const { settings, runtimes } = parts;
  const { cgroups } = parts.hostFacts;
  const machines = await machineHosts(parts.machines);
  return {
    ID: settings.instance,
    Containers: all.length,
    ContainersRunning: count('running'),
    ContainersPaused: count('paused'),
    ContainersStopped: all.filter(({ state }) => !isActive(state)).length,
    Images: (await images.list()).length,
    Driver: 'overlayfs',
    DriverStatus: [['Layer format', LAYER_FORMATS[parts.store.layers.formatName]]],
    Plugins: {
      Volume: ['local'],
      Network: NETWORK_DRIVERS,
      Authorization: null,
      Log: LOG_DRIVERS,
    },
    MemoryLimit: cgroups.memory,
    SwapLimit: cgroups.swap,
    CpuCfsPeriod: cgroups.cpu,
    CpuCfsQuota: cgroups.cpu,
    CPUShares: cgroups.cpu,
    CPUSet: cgroups.cpuset,
    PidsLimit: cgroups.pids,
    IPv4Forwarding: await forwardsIPv4(),
    Debug: false,
    OomKillDisable: false,
    SystemTime: new Date().toISOString(),
    LoggingDriver: 'json-file',
    CgroupDriver: 'cgroupfs',
    CgroupVersion: String(parts.hostFacts.cgroups.version),
    KernelVersion: release(),
    OperatingSystem: await operatingSystem(),
    OSType: 'linux',
    Architecture: process.arch === 'x64' ? 'x86_64' : process.arch,
    NCPU: cpus().length,
    MemTotal: totalmem(),
    DockerRootDir: settings.dataRoot,
    Name: hostname(),
    Labels: [],
    ExperimentalBuild: false,
    ServerVersion: settings.version,
    IndexServerAddress: 'https://index.docker.io/v1/',
    RegistryConfig: {
      InsecureRegistryCIDRs: ['::1/128', '127.0.0.0/8'],
      IndexConfigs: {},
      Mirrors: settings.mirrors,
    },
    Runtimes: {
      ...Object.fromEntries([...runtimes.available.values()].map(({ name, path }) => [name, { path }])),
      ...machineRuntime(parts.machines, machines),
    },
    DefaultRuntime: runtimes.preferred?.name ?? '',
    Swarm: { LocalNodeState: 'inactive' },
    LiveRestoreEnabled: true,
    Isolation: '',
    // An extension; the members of this host's own architecture are there twice, for clients that know no other.
    Berth: {
      VirtualMachines: {
        ...machines.map(machineInfo)[0],
        Architectures: machines.map(machineInfo),
      },
    },
    InitBinary: 'berth-init',
    CDISpecDirs: settings.cdiFolders,
    SecurityOptions: ['name=seccomp,profile=builtin', ...(cgroups.version === 2 ? ['name=cgroupns'] : [])],
    Warnings: null,
  };
}

/** What virtual machines of one architecture run on here, or why they do not. */
interface ArchitectureHost {
  readonly architecture: string;
  readonly host: MachineHost;
}

/** Of each that they can have, this host's first. */
function machineHosts(machines: VirtualMachines): Promise<readonly ArchitectureHost[]> {
  return Promise.all(
    machines.architectures.map(async (architecture) => {
      return { architecture, host: await machines.describe(architecture) };
    }),
  );
}

/** The runtime that clients ask for virtual machines by; of a status Docker says that its keys are the runtime's own. */
function machineRuntime({ runtime: { path } }: VirtualMachines, hosts: readonly ArchitectureHost[]) {
  const possible = hosts.filter(({ host: { hypervisor, kernel, programs } }) =>
    [hypervisor, kernel, programs].every(({ state }) => state !== 'missing'),
  );
  if (possible.length === 0) return {};
  const platforms = possible.map(
    ({ architecture, host }) => `linux/${architecture} (${host.accelerator.name})`,
  );
  return { vm: { path, status: { 'berth.platforms': platforms.join(', ') } } };
}

function machineInfo({ architecture, host }: ArchitectureHost) {
  const { accelerator, hypervisor, kernel, programs } = host;
  return {
    Architecture: architecture,
    Accelerator: accelerator.name,
    AcceleratorReason: accelerator.name === 'tcg' ? accelerator.why : '',
    Hypervisor: partText(hypervisor, ({ path, version }) => `QEMU ${version} (${path})`),
    Kernel: partText(kernel, ({ release: name, path }) => `${name} (${path})`),
    Programs: partText(programs, ({ path }) => path),
  };
}

function partText<T>(part: Part<T>, text: (ready: T) => string): string {
  switch (part.state) {
    case 'ready':
      return text(part);
    case 'fetched-on-first-use':
      return `${part.name}, fetched at the first start`;
    case 'missing':
      return `missing: ${part.why}. ${part.hint}`;
  }
}

/** The distribution's own name for itself (os-release(5)). */
async function operatingSystem(): Promise<string> {
  const text = await readFile('/etc/os-release', 'utf8').catch(() => '');
  return /^PRETTY_NAME="?([^"\n]*)"?$/m.exec(text)?.[1] ?? 'Linux';
}
