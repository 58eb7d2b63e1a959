import { access } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { disksOf } from '../containers/computer/bundle.ts';
import { computerFiles } from '../containers/computer/files.ts';
import type { ContainerRecord, NetworkAttachment } from '../containers/container.ts';
import { type ContainerContext, containerDirectory } from '../containers/context.ts';
import type { PortBinding } from '../containers/index.ts';
import { isLinked } from '../networks.ts';
import { requireStopped } from './admission.ts';
import {
  type DescribedNetwork,
  describeMachine,
  type MachineDescription,
  NOTHING_TOLD,
  parseMachineDescription,
} from './archive-description.ts';
import { type CreatedMachine, createMachine } from './create.ts';
import type { NewMachine } from './new-machine.ts';

/** A stopped machine as one tar. Its snapshots are left out. */
export function exportMachine(
  context: ContainerContext,
  { id }: Pick<ContainerRecord, 'id'>,
  signal: AbortSignal,
): Promise<Readable> {
  return context.collection.exclusively(
    id,
    async () => {
      const record = context.collection.find(id);
      requireStopped(record, 'to be exported');
      const { variables } = computerFiles(containerDirectory(context, id));
      const hasVariables = await access(variables).then(
        () => true,
        () => false,
      );
      const machine = {
        description: describeMachine(record, context.networks),
        disks: await disksOf(context, record),
        variables: hasVariables ? variables : undefined,
      };
      return context.parts.machineArchives.export(machine, signal);
    },
    signal,
  );
}

export interface ImportRequest {
  /** "" for a generated one. */
  readonly name: string;
  /** Undefined: those of the archive, as far as they are here. */
  readonly networks: readonly NetworkAttachment[] | undefined;
}

/**
 * Makes a machine of an archive: whole, or not at all. What of it does not fit here is left out, with a warning each. Throws `invalid`
 * for what is no sound archive, `conflict` for a taken name.
 */
export async function importMachine(
  context: ContainerContext,
  archive: Readable,
  { name, networks }: ImportRequest,
  signal: AbortSignal,
): Promise<CreatedMachine> {
  await using machine = await context.parts.machineArchives.import(archive, signal);
  const description = parseMachineDescription(machine.description);
  const { source, firstBoot, ...kept } = description;
  const fitting = fittingHere(context, description, networks);
  const request: NewMachine = {
    ...kept,
    ...{ name, networks: fitting.networks, ports: fitting.ports, disks: machine.disks },
    source: { kind: 'archive', description: source, machine },
    ...{ iso: undefined, log: undefined },
    // Its host name is its new name.
    firstBoot: { ...(firstBoot ?? NOTHING_TOLD), hostname: undefined },
  };
  const { record, warnings } = await createMachine(context, request, { signal, onProgress: () => {} });
  return { record, warnings: [...fitting.leftOut, ...warnings] };
}

interface Fitting {
  readonly networks: readonly NetworkAttachment[];
  readonly ports: readonly PortBinding[];
  /** One sentence each. */
  readonly leftOut: readonly string[];
}

/** What a machine can have here of what it had; networks that are asked for stand in the place of its own. */
function fittingHere(
  context: ContainerContext,
  description: Pick<MachineDescription, 'networks' | 'ports'>,
  asked: readonly NetworkAttachment[] | undefined,
): Fitting {
  const leftOut: string[] = [];
  const networks = asked ?? fittingNetworks(context, description.networks ?? [DEFAULT_NETWORK], leftOut);
  const ports = description.ports.filter((port) => {
    const reason = networks.length === 0 ? 'the machine has no network' : whyTaken(context, port);
    if (reason === undefined) return true;
    const place = port.hostPort === 0 ? '' : ` as ${port.hostPort} of the host`;
    leftOut.push(`its port ${port.containerPort}/${port.protocol} is not published${place}: ${reason}`);
    return false;
  });
  return { networks, ports, leftOut };
}

const DEFAULT_NETWORK: DescribedNetwork = { name: 'bridge', aliases: [] };

function fittingNetworks(
  { networks }: ContainerContext,
  described: readonly DescribedNetwork[],
  leftOut: string[],
): NetworkAttachment[] {
  const here = new Map(networks.list().map(({ network }) => [network.name, network]));
  const fitting = described.filter(({ name }) => {
    const network = here.get(name);
    if (network !== undefined && isLinked(network)) return true;
    const why = network === undefined ? 'there is none here' : 'it is none for machines here';
    leftOut.push(`it is not on the network ${name}: ${why}`);
    return false;
  });
  const isLost = described.length > 0 && fitting.length === 0;
  if (isLost) leftOut.push('it is on the default network, as none of its own is here');
  return (isLost ? [DEFAULT_NETWORK] : fitting).map(({ name, aliases }) => ({
    ...{ network: name, aliases },
    ...{ address: undefined, ipv6Address: undefined, macAddress: undefined },
  }));
}

/** Undefined: nobody of this instance publishes at that place. */
function whyTaken({ collection }: ContainerContext, port: PortBinding): string | undefined {
  if (port.hostPort === 0 || port.lastHostPort !== undefined) return undefined;
  const holder = collection.all().find(({ host }) => host.ports.some((other) => isSamePlace(other, port)));
  return holder === undefined ? undefined : `${holder.name} publishes there`;
}

function isSamePlace(one: PortBinding, other: PortBinding): boolean {
  if (one.protocol !== other.protocol || one.hostPort !== other.hostPort) return false;
  const anywhere = ['', '0.0.0.0', '::'];
  return one.hostIp === other.hostIp || anywhere.includes(one.hostIp) || anywhere.includes(other.hostIp);
}
