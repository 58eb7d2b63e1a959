import { invalid } from '../../base/index.ts';
import {
  containersOf,
  killServices,
  pauseServices,
  removeStopped,
  restartServices,
  startServices,
  stopServices,
  unpauseServices,
} from '../../compose/index.ts';
import { CliCommand, parsedOption, parseWholeNumber } from '../grammar.ts';
import type { ComposeContext } from './context.ts';

const timeoutOption = () =>
  parsedOption('-t, --timeout <seconds>', 'Seconds in which containers have to stop', parseWholeNumber);

/** A command that takes services and no options. */
function servicesCommand(
  context: ComposeContext,
  path: string,
  summary: string,
  act: typeof startServices,
): CliCommand {
  const command = new CliCommand(path, summary);
  command
    .usage('[SERVICE...]')
    .argument('[services...]')
    .action(async (services: readonly string[]) => act(await context.run(), context.selected(services)));
  return command;
}

export function stopCommand(context: ComposeContext, path: string): CliCommand {
  const command = new CliCommand(path, 'Stop services');
  command
    .usage('[OPTIONS] [SERVICE...]')
    .argument('[services...]')
    .addOption(timeoutOption())
    .action(async (services: readonly string[], { timeout }: { timeout?: number }) => {
      await stopServices(await context.run(), context.selected(services), { timeout });
    });
  return command;
}

export function killCommand(context: ComposeContext, path: string): CliCommand {
  return servicesCommand(context, path, 'Force stop service containers', killServices);
}

export function pauseCommand(context: ComposeContext, path: string): CliCommand {
  return servicesCommand(context, path, 'Pause services', pauseServices);
}

export function unpauseCommand(context: ComposeContext, path: string): CliCommand {
  return servicesCommand(context, path, 'Unpause services', unpauseServices);
}

export function startCommand(context: ComposeContext, path: string): CliCommand {
  return servicesCommand(context, path, 'Start services', startServices);
}

export function restartCommand(context: ComposeContext, path: string): CliCommand {
  const command = new CliCommand(path, 'Restart service containers');
  command
    .usage('[OPTIONS] [SERVICE...]')
    .argument('[services...]')
    .addOption(timeoutOption())
    .action(async (services: readonly string[], { timeout }: { timeout?: number }) => {
      await restartServices(await context.run(), context.selected(services), { timeout });
    });
  return command;
}

interface RemoveFlags {
  readonly force?: boolean;
  readonly stop?: boolean;
  readonly volumes?: boolean;
}

export function removeCommand(context: ComposeContext, path: string): CliCommand {
  const command = new CliCommand(path, 'Removes stopped service containers');
  command
    .usage('[OPTIONS] [SERVICE...]')
    .argument('[services...]')
    .option('-f, --force', "Don't ask to confirm removal")
    .option('-s, --stop', 'Stop the containers, if required, before removing')
    .option('-v, --volumes', 'Remove any anonymous volumes attached to containers')
    .action(async (services: readonly string[], flags: RemoveFlags) => {
      const run = await context.run();
      const selected = context.selected(services);
      if (flags.stop === true) await stopServices(run, selected);
      const stopped = (await containersOf(run, selected)).filter(({ state }) => state !== 'running');
      if (stopped.length === 0) {
        process.stderr.write('No stopped containers\n');
        return;
      }
      process.stdout.write(`Going to remove ${stopped.map(({ name }) => name).join(', ')}\n`);
      if (flags.force !== true) throw invalid('rm does not ask before it removes', { hint: 'Give --force' });
      await removeStopped(run, selected, { volumes: flags.volumes });
    });
  return command;
}
