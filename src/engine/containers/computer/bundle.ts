import { internal, type Timeline } from '../../../base/index.ts';
import { type Endpoint, macAddressOf } from '../../../network/index.ts';
import { controlGroupFolders, controlGroupPath, ociResources } from '../../../runtime/index.ts';
import type { ComputerCard, ComputerDisk, ComputerRequest, Hardware } from '../../../vm/index.ts';
import { isBridge } from '../../networks.ts';
import type { ContainerRecord } from '../container.ts';
import { type ContainerContext, containerDirectory } from '../context.ts';
import { allotmentOf } from '../vm/allotment.ts';
import { mtuOf, networkOf, type PreparedStart } from '../vm/bundle.ts';
import { computerFiles } from './files.ts';
import type { ComputerDetails, MachineDisk, MachineOptions } from './options.ts';

/** Writes what a machine is started from into its folder; its steps are noted in `timeline`. */
export async function prepareComputer(
  context: ContainerContext,
  record: ContainerRecord,
  prepared: Pick<PreparedStart, 'connection' | 'supervisor'>,
  timeline: Timeline,
): Promise<ComputerDetails> {
  const directory = containerDirectory(context, record.id);
  const machine = machineOf(record);
  const files = computerFiles(directory);
  const allotment = allotmentOf(context, record);
  const { accelerator } = await context.parts.computers.prepare(
    {
      id: record.id,
      directory,
      hardware: hardwareOf(machine, allotment),
      disks: await Promise.all(machine.disks.map((disk) => diskOf(context, disk, files.disk(disk.name)))),
      media: await mediaOf(context, record, machine, files.seed),
      variables: files.variables,
      network: networkOf(prepared),
      cards: prepared.connection.endpoints.map((endpoint) => cardOf(context, endpoint)),
      hostname: record.config.hostname,
      controlGroups: await controlGroupsOf(context, record),
      resume: undefined,
    },
    timeline,
  );
  return { ...allotment, accelerator };
}

/** Throws for a record that is no machine's, which is a mistake of the caller. */
export function machineOf({ host }: Pick<ContainerRecord, 'host'>): MachineOptions {
  if (host.machine === undefined) throw internal('there is no machine in the record');
  return host.machine;
}

export function hardwareOf(
  { model, firmware }: Pick<MachineOptions, 'model' | 'firmware'>,
  allotment: Hardware['allotment'],
): Hardware {
  return { model, firmware, allotment };
}

/** A disk with the files behind it. */
export async function diskOf(
  { parts }: ContainerContext,
  { name, backing }: MachineDisk,
  path: string,
): Promise<ComputerDisk> {
  if (backing === undefined) return { name, path, backing: [] };
  const image = await parts.diskImages.get(backing);
  return { name, path, backing: [{ path: image.path, format: image.format }] };
}

/** The first-boot data are written at each start: they tell of the networks, which may be others now. */
async function mediaOf(
  { parts }: ContainerContext,
  { id }: ContainerRecord,
  { iso, firstBoot }: MachineOptions,
  seed: string,
): Promise<ComputerRequest['media']> {
  if (firstBoot !== undefined) await parts.firstBootMedia.write(seed, { ...firstBoot, instance: id });
  return [
    ...(iso === undefined ? [] : [{ name: 'iso', path: iso, kind: 'cdrom' as const }]),
    ...(firstBoot === undefined ? [] : [{ name: 'seed', path: seed, kind: 'disk' as const }]),
  ];
}

function cardOf(context: ContainerContext, endpoint: Endpoint): ComputerCard {
  const { macAddress, address, prefixLength, gateway, ipv6 } = endpoint;
  const network = context.networks.byId(endpoint.networkId)?.network;
  const isBridged = network !== undefined && isBridge(network); // then the gateway is the bridge
  return {
    macAddress,
    mtu: mtuOf(network),
    address,
    prefixLength,
    gateway,
    ...(gateway === undefined || !isBridged ? {} : { gatewayMacAddress: macAddressOf(gateway) }),
    ...(ipv6 === undefined ? {} : { ipv6 }),
  };
}

/** Of the limits only those of processors and block I/O are the group's: its memory is the machine's own. */
async function controlGroupsOf(context: ContainerContext, { id, host }: ContainerRecord) {
  const { hostFacts, settings } = context.parts;
  const { resources } = ociResources(host.resources, [], hostFacts.cgroups);
  const path = controlGroupPath(settings.instance, id, host.cgroupParent);
  const limits = resources.cpu === undefined ? {} : { cpu: resources.cpu };
  return controlGroupFolders(path, limits, hostFacts.cgroups);
}
