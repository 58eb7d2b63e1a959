import { resolve } from 'node:path';
import { invalid } from '../../../base/index.ts';
import type { MachineChange } from '../../../client/index.ts';
import type { Cli } from '../../cli.ts';
import { CliCommand, listOption } from '../../grammar.ts';
import { portChange } from '../update.ts';
import { type HardwareFlags, hardwareOptions } from './hardware-options.ts';

interface SetFlags extends HardwareFlags {
  readonly eject?: boolean;
  readonly publishAdd: readonly string[];
  readonly publishRm: readonly string[];
}

export function setMachineCommand(cli: Cli, path: string): CliCommand {
  const command = new CliCommand(path, 'Change the hardware of a machine, and what becomes of it');
  for (const option of hardwareOptions()) command.addOption(option);
  command
    .usage('[OPTIONS] MACHINE')
    .argument('<machine>')
    .option('--eject', 'Take the medium out of its drive')
    .addOption(listOption('--publish-add <list>', "Publish a machine's port(s) to the host"))
    .addOption(
      listOption('--publish-rm <list>', 'Withdraw a published port: 80, 53/udp, or 8080:80 for one place'),
    )
    .action(async (machine: string, flags: SetFlags) => {
      const change = changeOf(flags);
      if (Object.values(change).every((value) => value === undefined)) {
        throw invalid('there is nothing to change', { hint: "Say what is to be otherwise, as '-m 2g'" });
      }
      const told = await (await cli.connect()).machines.set(machine, change);
      for (const name of told.Changed) process.stdout.write(`${name}: changed\n`);
      for (const name of told.NeedsRestart) {
        process.stdout.write(`${name}: from the next start on (berth vm restart ${machine})\n`);
      }
    });
  return command;
}

function changeOf(flags: SetFlags): MachineChange {
  const { iso, eject, disk, publishAdd, publishRm } = flags;
  if (iso !== undefined && eject === true) throw invalid('--iso and --eject contradict each other');
  return {
    Cpus: flags.cpus,
    Memory: flags.memory,
    Model: flags.machine,
    Firmware: flags.firmware,
    Disks: disk.length === 0 ? undefined : disk,
    Iso: eject === true ? '' : iso === undefined ? undefined : resolve(iso),
    RestartPolicy: flags.restart,
    StopTimeout: flags.stopTimeout,
    ...portChange(publishAdd, publishRm),
  };
}
