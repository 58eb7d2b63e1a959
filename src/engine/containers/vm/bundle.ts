import { readFile, stat } from 'node:fs/promises';
import { isIP } from 'node:net';
import { invalid, type Timeline } from '../../../base/index.ts';
import type { Endpoint, Network } from '../../../network/index.ts';
import {
  controlGroupFolders,
  type OciMount,
  type OciSpec,
  ociResources,
  type Supervisor,
} from '../../../runtime/index.ts';
import {
  type GuestInterface,
  type GuestMount,
  type GuestRoute,
  type GuestSetup,
  type MachineNetwork,
  type MachineShare,
  type ShareTransport,
  setupPayload,
} from '../../../vm/index.ts';
import type { Connection } from '../connect.ts';
import type { ContainerRecord, HostOptions, MachineDetails } from '../container.ts';
import { type ContainerContext, containerDirectory } from '../context.ts';
import { servesNames } from '../dns-names.ts';
import { writeNetworkFiles } from '../network-files.ts';
import { specOf } from '../spec.ts';
import { allotmentOf, diskSizeOf } from './allotment.ts';
import { mainPayload } from './payload.ts';
import { refuseUnsharable, requireArchitecture } from './refuse.ts';

/** What a start has prepared before there is a bundle. */
export interface PreparedStart {
  readonly connection: Connection;
  readonly supervisor: Supervisor;
  /** Of the image, the bottom layer first. */
  readonly layers: readonly { readonly path: string }[];
  /** The image's word. */
  readonly architecture: string;
}

/**
 * Writes the bundle of a virtual machine: what `berth-vm` starts it from, in the place of an OCI configuration. Its steps
 * are noted in `timeline`.
 */
export async function writeMachineBundle(
  context: ContainerContext,
  record: ContainerRecord,
  prepared: PreparedStart,
  timeline: Timeline,
): Promise<{ readonly machine: MachineDetails; readonly warnings: readonly string[] }> {
  const { machines } = context.parts;
  await refuseUnsharable(record.mounts);
  const files = await writeNetworkFiles(context, record, prepared.connection);
  const { value: spec, warnings } = await specOf(context, record, { ...prepared, files });
  const allotment = allotmentOf(context, record);
  const architecture = requireArchitecture(
    record.config.image,
    prepared.architecture,
    machines.architectures,
  );
  const diskSize = diskSizeOf(record);
  const shared = await sharedMounts(record, spec.mounts);
  const made = await machines.prepare(
    {
      id: record.id,
      directory: containerDirectory(context, record.id),
      architecture,
      allotment,
      layers: prepared.layers.map(({ path }) => path),
      writableSize: diskSize,
      network: networkOf(prepared),
      shares: shared.shares,
      shareTransport: shareTransportOf(record.host),
      controlGroups: await controlGroupsOf(context, record, spec),
      setup: setupPayload(await setupOf(context, record, { ...prepared, files }, spec, shared.mounts)),
      process: mainPayload(record, spec.process),
      kernel: kernelOf(record.host),
    },
    timeline,
  );
  const { accelerator, kernelRelease: kernel, start } = made;
  const machine = { architecture, ...allotment, diskSize, accelerator: accelerator.name, kernel, start };
  return { machine, warnings };
}

/** The annotation that names another kernel than the host's or Debian's, for clients that have no --kernel. */
export const KERNEL_ANNOTATION = 'berth.kernel';

/** Throws `invalid` for a path that is none. */
export function kernelOf({ annotations = {} }: HostOptions): string | undefined {
  const kernel = annotations[KERNEL_ANNOTATION];
  if (kernel === undefined || kernel.startsWith('/')) return kernel;
  throw invalid(`the kernel ${kernel} is no absolute path`, {
    hint: "Name the file of an uncompressed kernel (vmlinux), a bzImage or arm64's Image on the host of berthd",
  });
}

/** The annotation that says by what folders are shared; without it by 9p. */
export const SHARES_ANNOTATION = 'berth.shares';

/** Throws `invalid` for another word. */
export function shareTransportOf({ annotations = {} }: HostOptions): ShareTransport {
  const word = annotations[SHARES_ANNOTATION] ?? '9p';
  if (word === '9p' || word === 'virtiofs') return word;
  throw invalid(`folders cannot be shared by ${word}`, {
    hint: `The annotation ${SHARES_ANNOTATION} is 9p or virtiofs`,
  });
}

/** Its cards; undefined where it has none. */
export function networkOf({
  connection,
  supervisor,
}: {
  readonly connection: Pick<Connection, 'endpoints'>;
  readonly supervisor: Pick<Supervisor, 'networkPath'>;
}): MachineNetwork | undefined {
  const { networkPath } = supervisor;
  if (networkPath === undefined || connection.endpoints.length === 0) return undefined;
  return {
    namespace: networkPath,
    interfaces: connection.endpoints.map(({ containerInterface }) => containerInterface),
  };
}

/** The user's mounts; the guest makes those that every container has. */
async function sharedMounts(
  record: ContainerRecord,
  mounts: readonly OciMount[],
): Promise<{ shares: MachineShare[]; mounts: GuestMount[] }> {
  const targets = new Set(record.mounts.map(({ target }) => target));
  const shares: MachineShare[] = [];
  const guestMounts: GuestMount[] = [];
  for (const { type, destination, source, options } of mounts.filter((mount) =>
    targets.has(mount.destination),
  )) {
    if (type === 'tmpfs') {
      guestMounts.push({ type: 'tmpfs', destination, options });
      continue;
    }
    const kind = (await isFolder(source)) ? 'folder' : 'file';
    const at = kind === 'folder' ? `/${shares.length}` : `/${shares.length}/file`;
    shares.push({ path: source, kind, readOnly: options.includes('ro') || options.includes('rro') });
    guestMounts.push({ type: 'share', destination, source: at, options });
  }
  return { shares, mounts: guestMounts };
}

async function isFolder(path: string): Promise<boolean> {
  return (await stat(path)).isDirectory();
}

async function controlGroupsOf(context: ContainerContext, record: ContainerRecord, spec: OciSpec) {
  const { hostFacts } = context.parts;
  const { resources } = ociResources(record.host.resources, [], hostFacts.cgroups);
  const { blockIO } = spec.linux.resources; // with the devices' numbers
  return controlGroupFolders(
    spec.linux.cgroupsPath,
    {
      ...(resources.cpu === undefined ? {} : { cpu: resources.cpu }),
      ...(blockIO === undefined ? {} : { blockIO }),
    },
    hostFacts.cgroups,
  );
}

async function setupOf(
  context: ContainerContext,
  record: ContainerRecord,
  {
    connection,
    layers,
    files,
  }: PreparedStart & { readonly files: readonly { source: string; target: string }[] },
  { root, linux }: OciSpec,
  mounts: readonly GuestMount[],
): Promise<GuestSetup> {
  const { config, host } = record;
  const { 'kernel.domainname': _, ...sysctls } = linux.sysctl ?? {};
  const own = files.filter(({ target }) => !record.mounts.some((mount) => mount.target === target));
  return {
    hostname: config.hostname,
    domainname: config.domainname,
    layers: layers.length,
    hasDisk: true,
    readOnlyRoot: root.readonly,
    interfaces: connection.endpoints.map((endpoint) => interfaceOf(context, endpoint)),
    routes: defaultRoutes(connection.endpoints),
    files: await Promise.all(
      own.map(async ({ source, target }) => ({ path: target, content: await readFile(source) })),
    ),
    mounts,
    sysctls,
    shmSize: host.ipcMode === 'none' ? 0 : host.shmSize,
    maskedPaths: linux.maskedPaths,
    readonlyPaths: linux.readonlyPaths,
    nameService: connection.endpoints.some((endpoint) => servesNames(context, endpoint)),
    pidsLimit: host.resources.pidsLimit,
  };
}

/** The card of a guest for an endpoint. */
export function interfaceOf(
  { networks }: Pick<ContainerContext, 'networks'>,
  endpoint: Endpoint,
): GuestInterface {
  const network = networks.byId(endpoint.networkId)?.network;
  const { address, prefixLength, ipv6, macAddress, containerInterface: name } = endpoint;
  return {
    macAddress,
    name,
    mtu: mtuOf(network),
    addresses: [
      `${address}/${prefixLength}`,
      ...(ipv6 === undefined ? [] : [`${ipv6.address}/${ipv6.prefixLength}`]),
    ],
  };
}

/** Bytes of a packet. */
export function mtuOf(network: Network | undefined): number {
  return network !== undefined && 'mtu' in network ? network.mtu : 1500;
}

/** Of each family, through the first network that leads out: as in a container, whose routes are in this order. */
export function defaultRoutes(endpoints: readonly Endpoint[]): GuestRoute[] {
  const gateways = endpoints.flatMap(({ gateway, ipv6, containerInterface: name }) =>
    [gateway, ipv6?.gateway].flatMap((one) => (one === undefined ? [] : { gateway: one, interface: name })),
  );
  return [4, 6].flatMap((family) => gateways.find(({ gateway }) => isIP(gateway) === family) ?? []);
}
