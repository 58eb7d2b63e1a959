import { createHash } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import type { EngineLog, EngineParts } from '../engine/index.ts';
import { createNameDirectory, createNetworkDriver } from '../network/index.ts';
import { createRegistryClient, Downloads } from '../registry/index.ts';
import {
  CgroupGracePeriod,
  findOciRuntimes,
  openLauncher,
  placeLayerTree,
  readHostFacts,
  SeccompCache,
} from '../runtime/index.ts';
import { openStore } from '../store/index.ts';
import {
  BuiltDebian,
  ImageStore,
  MmdebstrapBuilder,
  noCloudMedia,
  QcowDisks,
  QemuComputers,
  QemuImg,
  QemuMachines,
  QemuSnapshots,
  qemuHostOf,
  TarArchives,
} from '../vm/index.ts';
import { type DaemonOptions, DEFAULT_DATA_ROOT } from './options.ts';
import { projectRoot } from './project-root.ts';

export const VERSION = '0.1.0';

/** The composition root: everything the engine is made of, opened in order, and closed again when one fails. */
export async function openParts(
  options: DaemonOptions,
  log: EngineLog,
  signal: AbortSignal,
): Promise<EngineParts & AsyncDisposable> {
  const { dataRoot, execRoot } = options;
  await mkdir(dataRoot, { recursive: true, mode: 0o711 });
  await mkdir(`${execRoot}/runtime`, { recursive: true, mode: 0o711 });
  const nativeDirectory = process.env.BERTH_NATIVE_DIRECTORY ?? `${projectRoot()}/native/build`;
  const instance = instanceName(dataRoot);

  await using opened = new AsyncDisposableStack();
  const launcher = opened.use(await openLauncher({ execRoot, nativeDirectory, signal }));
  const unmountLayer = (path: string) => launcher.unmountLayer(path);
  const store = opened.use(
    await openStore({
      dataRoot,
      signal,
      unmountLayer,
      ...(options.layerFormat === undefined ? {} : { layerFormat: options.layerFormat }),
      placeTree: (layer) => placeLayerTree(nativeDirectory, layer, layer.signal),
    }),
  );
  const network = opened.use(
    await createNetworkDriver({
      instance,
      localSeed: await machineId(),
      addressPools: options.addressPools,
      namespaces: {
        create: () => launcher.createNetworkNamespace(),
        release: (handle) => launcher.releaseNetworkNamespace(handle),
      },
    }),
  );
  const registry = createRegistryClient({ mirrors: options.mirrors, insecure: options.insecureRegistries });
  const downloads = new Downloads();
  const hostFacts = await readHostFacts();
  const runtimes = await findOciRuntimes();
  for (const warning of runtimes.warnings) log.warn({}, warning);
  const machinePlaces = { dataRoot, execRoot, nativeDirectory, configuration: '/etc/berth' };
  const qemuHost = qemuHostOf(machinePlaces);
  const machines = opened.use(new QemuMachines(machinePlaces, qemuHost));
  const closing = opened.move();
  return {
    settings: {
      instance,
      dataRoot,
      execRoot,
      nativeDirectory,
      mirrors: options.mirrors,
      insecureRegistries: options.insecureRegistries,
      discardBlobs: options.discardBlobs,
      transfers: options.transfers,
      cdiFolders: options.cdiFolders,
      version: VERSION,
    },
    store,
    registry,
    downloads,
    network,
    names: createNameDirectory(`${execRoot}/n`),
    launcher,
    hostFacts,
    seccomp: new SeccompCache(`${dataRoot}/seccomp`, hostFacts),
    gracePeriod: new CgroupGracePeriod(hostFacts.cgroups.version),
    runtimes,
    machines,
    computers: new QemuComputers(qemuHost),
    ...diskParts(dataRoot, downloads),
    firstBootMedia: noCloudMedia,
    log,
    [Symbol.asyncDispose]: () => closing.disposeAsync(),
  };
}

/** The disks of machines, and the images that they stand on. */
function diskParts(
  dataRoot: string,
  downloads: Downloads,
): Pick<
  EngineParts,
  'diskImages' | 'machineDisks' | 'machineArchives' | 'computerSnapshots' | 'debianSystems'
> {
  const temporary = `${dataRoot}/tmp`;
  const qemuImg = new QemuImg(process.env.PATH ?? '');
  const machineDisks = new QcowDisks(qemuImg);
  const diskImages = new ImageStore(
    { images: `${dataRoot}/vm/images`, temporary },
    { qemuImg, download: (url, signal) => downloads.open(url, signal) },
  );
  return {
    ...{ diskImages, machineDisks, computerSnapshots: new QemuSnapshots(qemuImg, machineDisks) },
    machineArchives: new TarArchives({ temporary, disks: machineDisks, qemuImg }),
    debianSystems: new BuiltDebian(diskImages, new MmdebstrapBuilder(temporary, qemuImg)),
  };
}

/** Names this instance on the host: "default", or eight digits that the data root decides. */
function instanceName(dataRoot: string): string {
  if (dataRoot === DEFAULT_DATA_ROOT) return 'default';
  return createHash('sha256').update(dataRoot).digest('hex').slice(0, 8);
}

/** What no other host has: machine-id(5), or else the host's name. */
async function machineId(): Promise<string> {
  return readFile('/etc/machine-id', 'utf8').catch(() => hostname());
}
