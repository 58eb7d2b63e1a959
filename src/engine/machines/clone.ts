import { copyFile, mkdir } from 'node:fs/promises';
import { crashPoint, newContainerId, systemErrorCode } from '../../base/index.ts';
import type { Snapshot } from '../../vm/index.ts';
import { diskOf, machineOf } from '../containers/computer/bundle.ts';
import { withLastingCard } from '../containers/computer/cards.ts';
import { computerFiles } from '../containers/computer/files.ts';
import type { MachineDisk } from '../containers/computer/options.ts';
import type { ContainerRecord, NetworkAttachment } from '../containers/container.ts';
import { type ContainerContext, containerDirectory, emit } from '../containers/context.ts';
import { requireStopped } from './admission.ts';
import { chooseName } from './create.ts';
import { hostnameOf } from './names.ts';

export interface CloneRequest {
  /** "" for a generated one. */
  readonly name: string;
  /** Undefined: the machine as it is, which has to be stopped. */
  readonly snapshot: string | undefined;
}

/**
 * Makes a machine like another one, with disks of its own on the same images. Its name, host name, network cards and addresses
 * are its own, so both can run; host ports are nobody's twice, so it publishes none. A snapshot's memory stays with its machine:
 * the clone boots. Throws `conflict` for a name that is taken or a machine that runs, `not-found` for the snapshot.
 */
export function cloneMachine(
  context: ContainerContext,
  { id }: Pick<ContainerRecord, 'id'>,
  request: CloneRequest,
  signal: AbortSignal,
): Promise<ContainerRecord> {
  return context.collection.exclusively(
    id,
    async () => {
      const original = context.collection.find(id);
      const name = chooseName(context, request.name);
      const { snapshots } = computerFiles(containerDirectory(context, id));
      const { computerSnapshots, launcher } = context.parts;
      if (request.snapshot === undefined)
        requireStopped(original, 'to be cloned', ', or clone a snapshot of it');
      const snapshot =
        request.snapshot === undefined ? undefined : await computerSnapshots.get(snapshots, request.snapshot);
      const clone = recordOf(original, name, snapshot);
      const directory = containerDirectory(context, clone.id);
      try {
        await mkdir(computerFiles(directory).disks, { recursive: true, mode: 0o711 });
        crashPoint('create.folders');
        await copyDisks(context, original, clone, snapshot, signal);
        await copyVariables(context, original, clone);
        context.collection.add(clone);
        crashPoint('create.recorded');
        emit(context, clone, 'create', { from: original.name });
        return clone;
      } catch (error) {
        await launcher.removeTree(directory);
        throw error;
      }
    },
    signal,
  );
}

function recordOf(original: ContainerRecord, name: string, snapshot: Snapshot | undefined): ContainerRecord {
  const { config, host, networks } = original;
  const machine = machineOf(original);
  const hostname = hostnameOf(name);
  const firstBoot = machine.firstBoot === undefined ? {} : { firstBoot: { ...machine.firstBoot, hostname } };
  return {
    ...{ id: newContainerId(), name, createdAt: new Date().toISOString() },
    config: { ...config, hostname },
    host: {
      ...host,
      ports: [],
      machine: { ...machine, ...firstBoot, disks: disksIn(machine.disks, snapshot) },
    },
    mounts: [],
    networks: networks.map(anew),
    state: { status: 'created' },
    restartCount: 0,
    stoppedByUser: false,
  };
}

/** Those that the snapshot has: others came later. */
function disksIn(disks: readonly MachineDisk[], snapshot: Snapshot | undefined): MachineDisk[] {
  if (snapshot === undefined) return [...disks];
  return disks.flatMap((disk) => {
    const saved = snapshot.disks.find(({ name }) => name === disk.name);
    return saved === undefined ? [] : { ...disk, size: saved.size };
  });
}

/** What may be there once only is another one's: addresses of cards and networks. */
function anew(attachment: NetworkAttachment): NetworkAttachment {
  return withLastingCard({
    ...attachment,
    ...{ address: undefined, ipv6Address: undefined, macAddress: undefined },
  });
}

async function copyDisks(
  context: ContainerContext,
  original: ContainerRecord,
  clone: ContainerRecord,
  snapshot: Snapshot | undefined,
  signal: AbortSignal,
): Promise<void> {
  const [from, to] = [original, clone].map(({ id }) => computerFiles(containerDirectory(context, id)));
  for (const disk of machineOf(clone).disks) {
    const source = await diskOf(context, disk, from?.disk(disk.name) ?? '');
    await context.parts.computerSnapshots.copyDisk(source, snapshot, to?.disk(disk.name) ?? '', signal);
  }
}

async function copyVariables(
  context: ContainerContext,
  original: ContainerRecord,
  clone: ContainerRecord,
): Promise<void> {
  const [from, to] = [original, clone].map(
    ({ id }) => computerFiles(containerDirectory(context, id)).variables,
  );
  await copyFile(from ?? '', to ?? '').catch((error: unknown) => {
    if (systemErrorCode(error) !== 'ENOENT') throw error; // there are none with a BIOS
  });
}
