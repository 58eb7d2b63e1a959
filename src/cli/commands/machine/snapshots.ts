import { formatBinarySize, formatSize } from '../../../base/index.ts';
import type { MachineSnapshot } from '../../../client/index.ts';
import type { Cli } from '../../cli.ts';
import { CliCommand } from '../../grammar.ts';
import { formatRows, type Row } from '../../output/table.ts';
import { ago } from '../../output/words.ts';
import { forEachTarget } from '../../targets.ts';

export function createSnapshotCommand(cli: Cli, path: string): CliCommand {
  const summary = 'Save the disks of a machine, and the memory of one that runs; it goes on meanwhile';
  const command = new CliCommand(path, summary);
  command
    .usage('[OPTIONS] MACHINE NAME')
    .argument('<machine>')
    .argument('<name>')
    .option('--disks', 'Only the disks, with whole file systems where its guest agent holds them still')
    .action(async (machine: string, name: string, flags: { disks?: boolean }) => {
      const { machines } = await cli.connect();
      const { Name, Warnings } = await machines.snapshots.create(machine, name, flags);
      for (const warning of Warnings) process.stderr.write(`WARNING: ${warning}\n`);
      process.stdout.write(`${Name}\n`);
    });
  return command;
}

interface ListFlags {
  readonly format?: string;
  readonly quiet?: boolean;
}

export function listSnapshotsCommand(cli: Cli, path: string): CliCommand {
  const command = new CliCommand(path, 'List the snapshots of a machine');
  command
    .usage('[OPTIONS] MACHINE')
    .argument('<machine>')
    .option('--format <string>', "Format output: 'table', 'table TEMPLATE', 'json' or a Go template")
    .option('-q, --quiet', 'Only display names')
    .action(async (machine: string, { format, quiet }: ListFlags) => {
      const snapshots = await (await cli.connect()).machines.snapshots.list(machine);
      const quietField = quiet === true ? 'Name' : undefined;
      const options = { format, defaultFormat: COLUMNS, quietField, headers: HEADERS };
      process.stdout.write(formatRows(snapshots.map(snapshotRow), options));
    });
  return command;
}

const COLUMNS = 'table {{.Name}}\\t{{.CreatedSince}}\\t{{.Memory}}\\t{{.StoppedFor}}\\t{{.Disks}}';

const HEADERS = {
  Name: 'NAME',
  CreatedSince: 'CREATED',
  CreatedAt: 'CREATED AT',
  Memory: 'MEMORY',
  StoppedFor: 'STOOD STILL',
  Disks: 'DISKS',
};

function snapshotRow(snapshot: MachineSnapshot): Row {
  return {
    Name: snapshot.Name,
    CreatedSince: ago(Date.parse(snapshot.Created) / 1000),
    CreatedAt: snapshot.Created,
    Memory: snapshot.Memory ? formatSize(snapshot.StateSize) : '-',
    StoppedFor: stoodStill(snapshot),
    Disks: snapshot.Disks.map(({ Name, Size }) => `${Name} (${formatBinarySize(Size)})`).join(', '),
  };
}

function stoodStill({ Memory, StoppedFor, HeldFor }: MachineSnapshot): string {
  if (Memory) return `${StoppedFor} ms`;
  return HeldFor === undefined ? '-' : `${HeldFor} ms (its file systems)`;
}

interface RestoreFlags {
  readonly force?: boolean;
  readonly disks?: boolean;
}

export function restoreSnapshotCommand(cli: Cli, path: string): CliCommand {
  const summary = 'Make a stopped machine what it was; of a snapshot with memory it runs from there';
  const command = new CliCommand(path, summary);
  command
    .usage('[OPTIONS] MACHINE NAME')
    .argument('<machine>')
    .argument('<name>')
    .option('--disks', 'Only the disks: the machine is not started')
    .option('-f, --force', 'End a running machine first, as if its plug were pulled')
    .action(async (machine: string, name: string, flags: RestoreFlags) => {
      const { machines } = await cli.connect();
      const { Name, Warnings } = await machines.snapshots.restore(machine, name, flags);
      for (const warning of Warnings) process.stderr.write(`WARNING: ${warning}\n`);
      process.stdout.write(`${Name}\n`);
    });
  return command;
}

export function removeSnapshotsCommand(cli: Cli, path: string): CliCommand {
  const command = new CliCommand(path, 'Remove one or more snapshots of a machine');
  command
    .usage('MACHINE NAME [NAME...]')
    .argument('<machine>')
    .argument('<name...>')
    .action(async (machine: string, names: readonly string[]) => {
      const { machines } = await cli.connect();
      await forEachTarget(cli, names, (name) => machines.snapshots.remove(machine, name));
    });
  return command;
}

interface CloneFlags {
  readonly snapshot?: string;
}

export function cloneMachineCommand(cli: Cli, path: string): CliCommand {
  const command = new CliCommand(
    path,
    'Make a machine like another one, with disks and network cards of its own',
  );
  command
    .usage('[OPTIONS] MACHINE [NEW_NAME]')
    .argument('<machine>')
    .argument('[name]')
    .option('--snapshot <name>', 'As it was when this snapshot was taken (default: as it is, stopped)')
    .action(async (machine: string, name: string | undefined, { snapshot }: CloneFlags) => {
      const { machines } = await cli.connect();
      const { Name } = await machines.clone(machine, { name, snapshot });
      process.stdout.write(`${Name}\n`);
    });
  return command;
}
