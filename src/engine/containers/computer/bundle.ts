import { internal, type Timeline } from '../../../base/index.ts';
import { controlGroupFolders, controlGroupPath, ociResources } from '../../../runtime/index.ts';
import type {
  ComputerCard,
  ComputerDisk,
  ComputerRequest,
  ComputerResume,
  Hardware,
  LaidOutComputer,
} from '../../../vm/index.ts';
import type { ContainerRecord } from '../container.ts';
import { type ContainerContext, containerDirectory } from '../context.ts';
import { allotmentOf, wantedResources } from '../vm/allotment.ts';
import { mtuOf, networkOf, type PreparedStart } from '../vm/bundle.ts';
import { cardsOf, firstBootCards } from './cards.ts';
import { computerFiles } from './files.ts';
import type { ComputerDetails, MachineDisk, MachineOptions } from './options.ts';

/** A machine's network while it starts or runs. */
export interface ComputerNetwork {
  readonly connection: Pick<PreparedStart['connection'], 'endpoints'>;
  readonly supervisor: Pick<PreparedStart['supervisor'], 'networkPath'>;
}

/**
 * Writes what a machine is started from into its folder; its steps are noted in `timeline`. With `resume` it goes on from a
 * snapshot's state: that is for one start, and not for its restarts. One that runs goes on as it is:
 * that is then for its restarts.
 */
export async function prepareComputer(
  context: ContainerContext,
  record: ContainerRecord,
  prepared: ComputerNetwork,
  timeline: Timeline,
  resume?: ComputerResume,
): Promise<ComputerDetails> {
  const directory = containerDirectory(context, record.id);
  const machine = machineOf(record);
  const files = computerFiles(directory);
  const allotment = allotmentOf(context, record);
  const cards = cardsOf(context, record, prepared.connection.endpoints);
  const { accelerator } = await context.parts.computers.prepare(
    {
      id: record.id,
      directory,
      hardware: hardwareOf(machine, allotment),
      disks: await disksOf(context, record),
      media: await mediaOf(context, record, cards),
      variables: files.variables,
      network: networkOf(prepared),
      cards,
      hostname: record.config.hostname,
      controlGroups: await controlGroupsOf(context, record),
      resume,
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

export async function disksOf(
  context: ContainerContext,
  record: Pick<ContainerRecord, 'id' | 'host'>,
): Promise<ComputerDisk[]> {
  const files = computerFiles(containerDirectory(context, record.id));
  return Promise.all(machineOf(record).disks.map((disk) => diskOf(context, disk, files.disk(disk.name))));
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

/** The first-boot data are written at each start: they tell of the cards, which may be others now. */
async function mediaOf(
  context: ContainerContext,
  record: ContainerRecord,
  cards: readonly ComputerCard[],
): Promise<ComputerRequest['media']> {
  const { iso, firstBoot } = machineOf(record);
  const { seed } = computerFiles(containerDirectory(context, record.id));
  if (firstBoot !== undefined) {
    const data = { ...firstBoot, cards: firstBootCards(cards), instance: record.id };
    await context.parts.firstBootMedia.write(seed, data);
  }
  return mediaIn({ iso, firstBoot }, seed);
}

function mediaIn(
  { iso, firstBoot }: Pick<MachineOptions, 'iso' | 'firstBoot'>,
  seed: string,
): ComputerRequest['media'] {
  return [
    ...(iso === undefined ? [] : [{ name: 'iso', path: iso, kind: 'cdrom' as const }]),
    ...(firstBoot === undefined ? [] : [{ name: 'seed', path: seed, kind: 'disk' as const }]),
  ];
}

/** What a start of the machine would lay out. */
export async function laidOutComputer(
  context: ContainerContext,
  record: ContainerRecord,
): Promise<LaidOutComputer> {
  const machine = machineOf(record);
  const { seed } = computerFiles(containerDirectory(context, record.id));
  const allotment = context.parts.machines.allot(wantedResources(record.host), []);
  return {
    hardware: hardwareOf(machine, allotment),
    disks: await disksOf(context, record),
    media: mediaIn(machine, seed),
    cards: record.networks.map(({ network, macAddress = '' }) => ({
      macAddress,
      mtu: mtuOf(context.networks.find(network).network),
    })),
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
