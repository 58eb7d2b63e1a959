import type { Cli } from '../cli.ts';
import { CliCommand, parsedOption, parseWholeNumber } from '../grammar.ts';
import { forEachTarget } from '../targets.ts';

const MANY = '[OPTIONS] CONTAINER [CONTAINER...]';

interface StopFlags {
  readonly signal?: string;
  /** Seconds. */
  readonly timeout?: number;
  readonly time?: number;
}

export function stopCommand(cli: Cli, path: string): CliCommand {
  const command = withStopOptions(new CliCommand(path, 'Stop one or more running containers'));
  command.action(async (containers: readonly string[], flags: StopFlags) => {
    const client = await cli.connect();
    await forEachTarget(cli, containers, (container) =>
      client.containers.stop(container, stopOptions(flags)),
    );
  });
  return command;
}

export function restartCommand(cli: Cli, path: string): CliCommand {
  const command = withStopOptions(new CliCommand(path, 'Restart one or more containers'));
  command.action(async (containers: readonly string[], flags: StopFlags) => {
    const client = await cli.connect();
    await forEachTarget(cli, containers, (container) =>
      client.containers.restart(container, stopOptions(flags)),
    );
  });
  return command;
}

export function killCommand(cli: Cli, path: string): CliCommand {
  const command = new CliCommand(path, 'Kill one or more running containers');
  command
    .usage(MANY)
    .argument('<container...>')
    .option('-s, --signal <string>', 'Signal to send to the container')
    .action(async (containers: readonly string[], { signal }: { signal?: string }) => {
      const client = await cli.connect();
      await forEachTarget(cli, containers, (container) =>
        client.containers.kill(container, { killSignal: signal }),
      );
    });
  return command;
}

interface RemoveFlags {
  readonly force?: boolean;
  readonly link?: boolean;
  readonly volumes?: boolean;
}

export function removeCommand(cli: Cli, path: string): CliCommand {
  const command = new CliCommand(path, 'Remove one or more containers');
  command
    .usage(MANY)
    .argument('<container...>')
    .option('-f, --force', 'Force the removal of a running container (uses SIGKILL)')
    .option('-l, --link', 'Remove the specified link')
    .option('-v, --volumes', 'Remove anonymous volumes associated with the container')
    .action(async (containers: readonly string[], flags: RemoveFlags) => {
      const client = await cli.connect();
      const remove = (container: string) => client.containers.remove(container.replace(/^\//, ''), flags);
      await forEachTarget(cli, containers, remove, { missingIsFine: flags.force === true });
    });
  return command;
}

export function pauseCommand(cli: Cli, path: string): CliCommand {
  return plainCommand(path, 'Pause all processes within one or more containers', async (containers) => {
    const client = await cli.connect();
    await forEachTarget(cli, containers, (container) => client.containers.pause(container));
  });
}

export function unpauseCommand(cli: Cli, path: string): CliCommand {
  return plainCommand(path, 'Unpause all processes within one or more containers', async (containers) => {
    const client = await cli.connect();
    await forEachTarget(cli, containers, (container) => client.containers.unpause(container));
  });
}

/** A command without options. */
function plainCommand(
  path: string,
  summary: string,
  action: (containers: readonly string[]) => Promise<void>,
): CliCommand {
  const command = new CliCommand(path, summary);
  command.usage('CONTAINER [CONTAINER...]').argument('<container...>').action(action);
  return command;
}

export function renameCommand(cli: Cli, path: string): CliCommand {
  const command = new CliCommand(path, 'Rename a container');
  command
    .usage('CONTAINER NEW_NAME')
    .argument('<container>')
    .argument('<name>')
    .action(async (container: string, name: string) => {
      await (await cli.connect()).containers.rename(container, name);
    });
  return command;
}

export function waitCommand(cli: Cli, path: string): CliCommand {
  const command = new CliCommand(
    path,
    'Block until one or more containers stop, then print their exit codes',
  );
  command
    .usage('CONTAINER [CONTAINER...]')
    .argument('<container...>')
    .action(async (containers: readonly string[]) => {
      const client = await cli.connect();
      await forEachTarget(cli, containers, async (container) => {
        const pending = await client.containers.wait(container);
        return String((await pending.exit()).StatusCode);
      });
    });
  return command;
}

function withStopOptions(command: CliCommand): CliCommand {
  command
    .usage(MANY)
    .argument('<container...>')
    .option('-s, --signal <string>', 'Signal to send to the container')
    .addOption(
      parsedOption('-t, --timeout <int>', 'Seconds to wait before killing the container', parseWholeNumber),
    )
    .addOption(parsedOption('--time <int>', 'As --timeout', parseWholeNumber).hideHelp());
  return command;
}

function stopOptions({ signal, timeout, time }: StopFlags) {
  return { killSignal: signal, timeout: timeout ?? time };
}
