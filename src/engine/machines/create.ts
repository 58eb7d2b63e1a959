import { mkdir } from 'node:fs/promises';
import { type ContainerId, crashPoint, digestFromHex, newContainerId } from '../../base/index.ts';
import type { ImageSource, ImportedMachine, TakenImage, TakeProgress } from '../../vm/index.ts';
import { nameTaken } from '../containers/collection.ts';
import { withLastingCard } from '../containers/computer/cards.ts';
import { computerFiles } from '../containers/computer/files.ts';
import type { MachineDisk, MachineOptions } from '../containers/computer/options.ts';
import type { ContainerConfig, ContainerRecord, HostOptions } from '../containers/container.ts';
import { type ContainerContext, containerDirectory, emit } from '../containers/context.ts';
import { parseLogConfig, requireLogging } from '../containers/logs/index.ts';
import { newContainerName, requireContainerName } from '../containers/names.ts';
import { byPriority } from '../containers/network-changes.ts';
import { checkHardware, checkPlaces, checkSource, requireHealthcheck } from './check.ts';
import { firstBootOf } from './first-boot.ts';
import { hostnameOf, requireDiskNames, withRoot } from './names.ts';
import { type NewMachine, type NewMachineSource, ROOT_DISK } from './new-machine.ts';

/** What goes on while a machine is made: an image that is fetched, a system that is put together. */
export type CreationProgress = TakeProgress;

export interface CreateOptions {
  readonly signal: AbortSignal;
  readonly onProgress: (progress: CreationProgress) => void;
}

export interface CreatedMachine {
  readonly record: ContainerRecord;
  /** What its user should know: one sentence each. */
  readonly warnings: readonly string[];
}

/**
 * Makes a machine that can be started: record, folder, disks. Throws `invalid` and `unavailable` for what it cannot have,
 * `conflict` for a name that is taken; nothing is left behind then but the image that its disk was to stand on.
 */
export async function createMachine(
  context: ContainerContext,
  request: NewMachine,
  options: CreateOptions,
): Promise<CreatedMachine> {
  const id = newContainerId();
  const name = chooseName(context, request.name);
  const { config, host } = await settle(context, request, name);
  using taken = await takeSource(context, request.source, options);
  const directory = containerDirectory(context, id);
  try {
    await mkdir(computerFiles(directory).disks, { recursive: true, mode: 0o711 });
    crashPoint('create.folders');
    const disks = await makeDisks(context, id, request, taken, options.signal);
    const record: ContainerRecord = {
      ...{ id, name, config, createdAt: new Date().toISOString() },
      host: { ...host, machine: { ...host.machine, disks } },
      mounts: [],
      networks: byPriority(request.networks).map(withLastingCard),
      state: { status: 'created' },
      restartCount: 0,
      stoppedByUser: false,
    };
    context.collection.add(record);
    crashPoint('create.recorded');
    emit(context, record, 'create');
    return { record, warnings: taken?.warnings ?? [] };
  } catch (error) {
    await context.parts.launcher.removeTree(directory);
    throw error;
  }
}

/** Throws `invalid` for what is no name, `conflict` for one that is taken. */
export function chooseName({ collection }: ContainerContext, wanted: string): string {
  if (wanted === '') {
    // A host name has no "_".
    return newContainerName((candidate) => collection.byName(candidate) !== undefined).replaceAll('_', '-');
  }
  requireContainerName(wanted);
  const holder = collection.byName(wanted);
  if (holder !== undefined) throw nameTaken(wanted, holder);
  return wanted;
}

/** The parts of the record that follow from the request alone; all that can be checked without making anything is. */
async function settle(
  context: ContainerContext,
  request: NewMachine,
  name: string,
): Promise<{ config: ContainerConfig; host: HostOptions & { readonly machine: MachineOptions } }> {
  requireDiskNames(request.disks);
  checkPlaces(context, request);
  checkSource(request);
  const machine: MachineOptions = {
    source: sourceWords(request.source),
    model: request.model ?? 'q35',
    firmware: request.firmware ?? 'bios',
    disks: [],
    ...(request.iso === undefined ? {} : { iso: request.iso }),
    firstBoot: firstBootOf(context, request, name),
  };
  const config = configOf(request, machine.firstBoot?.hostname ?? hostnameOf(name));
  requireHealthcheck(config, request.restart);
  const host = { ...hostOf(request), machine };
  await requireLogging(host.log);
  const disks = 1 + withRoot(request.disks).others.length;
  await checkHardware(context, host, { disks, cards: request.networks.length });
  return { config, host };
}

function sourceWords(source: NewMachineSource): string {
  switch (source.kind) {
    case 'file':
      return source.path;
    case 'url':
      return source.url.href;
    case 'debian':
      return source.release === '' ? 'debian' : `debian:${source.release}`;
    case 'archive':
      return source.description;
    case 'empty':
      return '';
  }
}

async function takeSource(
  context: ContainerContext,
  source: NewMachineSource,
  options: CreateOptions,
): Promise<TakenImage | undefined> {
  const { diskImages, debianSystems } = context.parts;
  if (source.kind === 'empty' || source.kind === 'archive') return undefined;
  if (source.kind === 'debian') return debianSystems.provide(source.release, options);
  return diskImages.take(imageSource(source), options);
}

function imageSource(source: Extract<NewMachineSource, { kind: 'file' | 'url' }>): ImageSource {
  return source.kind === 'file' ? source : { ...source, sha256: digestFromHex(source.sha256) };
}

async function makeDisks(
  context: ContainerContext,
  id: ContainerId,
  request: NewMachine,
  taken: TakenImage | undefined,
  signal: AbortSignal,
): Promise<MachineDisk[]> {
  const { machineDisks } = context.parts;
  const files = computerFiles(containerDirectory(context, id));
  if (request.source.kind === 'archive') return placeImported(request.source.machine, files);
  const { root, others } = withRoot(request.disks);
  const make = async (name: string, wanted: number | undefined, backing: TakenImage['image'] | undefined) => {
    const { size } = await machineDisks.create(files.disk(name), { size: wanted, backing }, signal);
    return { name, size, ...(backing === undefined ? {} : { backing: backing.name }) };
  };
  const disks = [await make(ROOT_DISK, root?.size, taken?.image)];
  for (const { name, size } of others) disks.push(await make(name, size, undefined));
  return disks;
}

/** Puts the files of an imported machine where it has them; its disks stand on nothing. */
async function placeImported(
  machine: ImportedMachine,
  files: ReturnType<typeof computerFiles>,
): Promise<MachineDisk[]> {
  for (const { name } of machine.disks) await machine.placeDisk(name, files.disk(name));
  if (machine.hasVariables) await machine.placeVariables(files.variables);
  return [...machine.disks];
}

/** Seconds between the power button and the end by force: a system needs longer than a program. */
const DEFAULT_STOP_TIMEOUT = 60;

function configOf({ labels, healthcheck, stopTimeout }: NewMachine, hostname: string): ContainerConfig {
  return {
    ...{ image: '', hostname, domainname: '', user: '', env: [], entrypoint: undefined, cmd: undefined },
    ...{ workingDir: '', labels, exposedPorts: [], volumes: [] },
    // Its console, which anybody may join and leave.
    ...{ tty: true, openStdin: true, stdinOnce: false },
    ...{ attachStdin: false, attachStdout: false, attachStderr: false },
    stopSignal: undefined,
    stopTimeout: stopTimeout ?? DEFAULT_STOP_TIMEOUT,
    healthcheck,
    shell: undefined,
  };
}

const DEFAULT_MEMORY = 1024 ** 3;

/** What belongs to containers alone is empty. */
function hostOf({ cpus, memory, networks, ports, restart, log }: NewMachine): HostOptions {
  return {
    isolation: 'machine',
    networkMode: networks[0]?.network ?? 'none',
    ports,
    restart,
    log: log ?? parseLogConfig('json-file', {}),
    resources: {
      ...NO_LIMITS,
      nanoCpus: Math.round((cpus ?? 1) * 1e9),
      memory: memory ?? DEFAULT_MEMORY,
    },
    ...{ mounts: [], volumesFrom: [], publishAllPorts: false, autoRemove: false, privileged: false },
    ...{ readonlyRootfs: false, capAdd: [], capDrop: [], securityOpt: [], groupAdd: [], tmpfs: {} },
    ...{ shmSize: 0, ulimits: [], sysctls: {}, devices: [], extraHosts: [] },
    ...{ dns: [], dnsSearch: [], dnsOptions: [], pidMode: '', ipcMode: '', utsMode: '' },
    ...{ runtime: undefined, oomScoreAdj: 0, init: undefined },
  };
}

const NO_LIMITS: HostOptions['resources'] = {
  ...{ memory: 0, memorySwap: 0, memoryReservation: 0, nanoCpus: 0, cpuShares: 0, cpuPeriod: 0 },
  ...{ cpuQuota: 0, cpusetCpus: '', cpusetMems: '', pidsLimit: 0, blkioWeight: 0 },
};
