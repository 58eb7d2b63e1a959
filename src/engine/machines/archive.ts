import { access } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { invalid } from '../../base/index.ts';
import type { ComputerModel, Firmware } from '../../vm/index.ts';
import { disksOf, machineOf } from '../containers/computer/bundle.ts';
import { computerFiles } from '../containers/computer/files.ts';
import type { ContainerRecord, NetworkAttachment } from '../containers/container.ts';
import { type ContainerContext, containerDirectory } from '../containers/context.ts';
import { requireStopped } from './admission.ts';
import { type CreatedMachine, createMachine } from './create.ts';
import type { NewMachine } from './new-machine.ts';

/** What an archive keeps of a machine beside its disks: nothing that is of this host alone, as ports, networks and media are. */
interface Description {
  readonly source: string;
  readonly model: ComputerModel;
  readonly firmware: Firmware;
  readonly cpus: number;
  readonly memory: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly firstBoot: NewMachine['firstBoot'] | undefined;
}

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
        description: describe(record),
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
  readonly networks: readonly NetworkAttachment[];
}

/** Makes a machine of an archive: whole, or not at all. Throws `invalid` for what is no sound archive, `conflict` for a taken name. */
export async function importMachine(
  context: ContainerContext,
  archive: Readable,
  { name, networks }: ImportRequest,
  signal: AbortSignal,
): Promise<CreatedMachine> {
  await using machine = await context.parts.machineArchives.import(archive, signal);
  const { source, firstBoot, ...hardware } = parseDescription(machine.description);
  const request: NewMachine = {
    ...hardware,
    ...{ name, networks, disks: machine.disks, ports: [], restart: { name: 'no' } },
    source: { kind: 'archive', description: source, machine },
    ...{ iso: undefined, healthcheck: undefined, log: undefined, stopTimeout: undefined },
    // Its host name is its new name.
    firstBoot: { ...(firstBoot ?? NOTHING_TOLD), hostname: undefined },
  };
  return await createMachine(context, request, { signal, onProgress: () => {} });
}

const NOTHING_TOLD = {
  hostname: undefined,
  user: undefined,
  sshKeys: [],
  packages: [],
  run: [],
  userData: undefined,
};

function describe(record: ContainerRecord): Description {
  const { source, model, firmware, firstBoot } = machineOf(record);
  const { nanoCpus, memory } = record.host.resources;
  const told = firstBoot && { ...NOTHING_TOLD, ...firstBoot };
  return {
    source,
    model,
    firmware,
    cpus: nanoCpus / 1e9,
    memory,
    labels: record.config.labels,
    firstBoot: told,
  };
}

/** Anybody may have written it. What hardware and first boot may be is judged as for any new machine. */
function parseDescription(value: unknown): Description {
  const { source, model, firmware, cpus, memory, labels, firstBoot } = object(value, 'the machine');
  if (model !== 'q35' && model !== 'pc' && model !== 'microvm') throw damaged('its model');
  if (firmware !== 'bios' && firmware !== 'uefi') throw damaged('its firmware');
  if (typeof cpus !== 'number' || !(cpus > 0)) throw damaged('its processors');
  if (typeof memory !== 'number' || !Number.isSafeInteger(memory) || memory <= 0) throw damaged('its memory');
  const texts = Object.entries(object(labels, 'its labels')).map(([key, label]) => [
    key,
    text(label, 'a label'),
  ]);
  return {
    ...{
      source: text(source, 'its source'),
      model,
      firmware,
      cpus,
      memory,
      labels: Object.fromEntries(texts),
    },
    firstBoot: firstBoot === undefined ? undefined : parseFirstBoot(object(firstBoot, 'its first boot')),
  };
}

function parseFirstBoot({ user, sshKeys, packages, run, userData }: Fields): NewMachine['firstBoot'] {
  return {
    hostname: undefined,
    user: user === undefined ? undefined : text(user, 'its user'),
    sshKeys: texts(sshKeys, 'its keys'),
    packages: texts(packages, 'its packages'),
    run: texts(run, 'its commands'),
    userData: userData === undefined ? undefined : text(userData, 'its user data'),
  };
}

type Fields = Partial<Record<string, unknown>>;

function object(value: unknown, what: string): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw damaged(what);
  return value;
}

function text(value: unknown, what: string): string {
  if (typeof value !== 'string') throw damaged(what);
  return value;
}

function texts(value: unknown, what: string): string[] {
  if (!Array.isArray(value)) throw damaged(what);
  return value.map((one) => text(one, what));
}

const damaged = (what: string) =>
  invalid(`the archive does not say what a machine needs: ${what} is missing or wrong`);
