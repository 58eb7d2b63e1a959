import type { EngineClient } from '../../../client/index.ts';
import type { Cli } from '../../cli.ts';
import { CliCommand, parsedOption, parseWholeNumber } from '../../grammar.ts';
import { forEachTarget } from '../../targets.ts';

const MANY = 'MACHINE [MACHINE...]';

/** A command without options that does the same to each machine that is named. */
function commandForEach(
  cli: Cli,
  command: CliCommand,
  work: (client: EngineClient, machine: string) => Promise<void>,
): CliCommand {
  command
    .usage(MANY)
    .argument('<machine...>')
    .action(async (machines: readonly string[]) => {
      const client = await cli.connect();
      await forEachTarget(cli, machines, (machine) => work(client, machine));
    });
  return command;
}

export function startMachinesCommand(cli: Cli, path: string): CliCommand {
  return commandForEach(cli, new CliCommand(path, 'Start one or more machines'), async (client, machine) => {
    await client.machines.start(machine);
  });
}

interface StopFlags {
  /** Seconds. */
  readonly timeout?: number;
}

export function stopMachinesCommand(cli: Cli, path: string): CliCommand {
  const summary = 'Press the power button of one or more machines, and end them by force if need be';
  const command = withTimeout(new CliCommand(path, summary));
  command.action(async (machines: readonly string[], { timeout }: StopFlags) => {
    const client = await cli.connect();
    await forEachTarget(cli, machines, async (machine) => {
      await client.machines.stop(machine, { timeout });
    });
  });
  return command;
}

export function restartMachinesCommand(cli: Cli, path: string): CliCommand {
  const command = withTimeout(new CliCommand(path, 'Restart one or more machines'));
  command.action(async (machines: readonly string[], { timeout }: StopFlags) => {
    const client = await cli.connect();
    await forEachTarget(cli, machines, (machine) => client.machines.restart(machine, { timeout }));
  });
  return command;
}

function withTimeout(command: CliCommand): CliCommand {
  const summary = 'Seconds to wait after the power button before ending the machine by force (-1: for ever)';
  return command
    .usage(`[OPTIONS] ${MANY}`)
    .argument('<machine...>')
    .addOption(parsedOption('-t, --timeout <int>', summary, parseWholeNumber)) as CliCommand;
}

export function pauseMachinesCommand(cli: Cli, path: string): CliCommand {
  const command = new CliCommand(path, 'Have one or more machines stand still');
  return commandForEach(cli, command, (client, machine) => client.machines.pause(machine));
}

export function unpauseMachinesCommand(cli: Cli, path: string): CliCommand {
  const command = new CliCommand(path, 'Let one or more paused machines go on');
  return commandForEach(cli, command, async (client, machine) => {
    const { Warnings } = await client.machines.unpause(machine);
    for (const warning of Warnings) process.stderr.write(`WARNING: ${warning}\n`);
  });
}

export function killMachinesCommand(cli: Cli, path: string): CliCommand {
  const summary = 'End one or more machines at once, as if their plugs were pulled';
  return commandForEach(cli, new CliCommand(path, summary), (client, machine) =>
    client.machines.kill(machine),
  );
}

export function removeMachinesCommand(cli: Cli, path: string): CliCommand {
  const command = new CliCommand(path, 'Remove one or more machines with their disks');
  command
    .usage(`[OPTIONS] ${MANY}`)
    .argument('<machine...>')
    .option('-f, --force', 'End a running machine first')
    .action(async (machines: readonly string[], { force = false }: { force?: boolean }) => {
      const client = await cli.connect();
      const remove = (machine: string) => client.machines.remove(machine, { force });
      await forEachTarget(cli, machines, remove, { missingIsFine: force });
    });
  return command;
}

export function renameMachineCommand(cli: Cli, path: string): CliCommand {
  const command = new CliCommand(path, 'Rename a machine');
  command
    .usage('MACHINE NEW_NAME')
    .argument('<machine>')
    .argument('<name>')
    .action(async (machine: string, name: string) => {
      await (await cli.connect()).machines.rename(machine, name);
    });
  return command;
}

export function waitForMachinesCommand(cli: Cli, path: string): CliCommand {
  const summary = 'Block until one or more machines end, then print their exit codes';
  const command = new CliCommand(path, summary);
  command
    .usage(MANY)
    .argument('<machine...>')
    .action(async (machines: readonly string[]) => {
      const client = await cli.connect();
      await forEachTarget(cli, machines, async (machine) => {
        const pending = await client.machines.wait(machine);
        return String((await pending.exit()).StatusCode);
      });
    });
  return command;
}
