import { createReadStream } from 'node:fs';
import { stdin } from 'node:process';
import type { Cli } from '../../cli.ts';
import { CliCommand } from '../../grammar.ts';
import { writeArchive } from '../../output/archive.ts';

export function exportMachineCommand(cli: Cli, path: string): CliCommand {
  const command = new CliCommand(path, 'Write a stopped machine as one file, without its snapshots');
  command
    .usage('[OPTIONS] MACHINE')
    .argument('<machine>')
    .option('-o, --output <string>', 'Write to a file, instead of STDOUT')
    .action(async (machine: string, { output }: { output?: string }) => {
      const { machines } = await cli.connect();
      await writeArchive(() => machines.export(machine), output);
      const snapshots = await machines.snapshots.list(machine);
      if (snapshots.length === 0) return;
      const names = snapshots.map(({ Name }) => Name).join(', ');
      process.stderr.write(`WARNING: its snapshots are left out: ${names}\n`);
    });
  return command;
}

interface ImportFlags {
  readonly network?: string;
}

export function importMachineCommand(cli: Cli, path: string): CliCommand {
  const command = new CliCommand(path, 'Make a machine of a file that "vm export" has written');
  command
    .usage('[OPTIONS] FILE|- [NAME]')
    .argument('<file>')
    .argument('[name]')
    .option(
      '--network <name>',
      'The network that it is on, or none (default: those that it was on, where they are here)',
    )
    .action(async (file: string, name: string | undefined, { network }: ImportFlags) => {
      const archive = file === '-' ? stdin : createReadStream(file);
      const { machines } = await cli.connect();
      const { Name, Warnings } = await machines.import(archive, { name, network });
      for (const warning of Warnings ?? []) process.stderr.write(`WARNING: ${warning}\n`);
      process.stdout.write(`${Name}\n`);
    });
  return command;
}
