import { takeDown } from '../../compose/index.ts';
import { CliCommand, parsedOption, parseWholeNumber } from '../grammar.ts';
import type { ComposeContext } from './context.ts';
import { oneOf } from './options.ts';

interface DownFlags {
  readonly removeOrphans?: boolean;
  readonly rmi?: string;
  readonly timeout?: number;
  readonly volumes?: boolean;
}

export function downCommand(context: ComposeContext, path: string): CliCommand {
  const command = new CliCommand(path, 'Stop and remove containers, networks');
  command
    .usage('[OPTIONS] [SERVICES]')
    .argument('[services...]')
    .option('--remove-orphans', 'Remove containers for services not defined in the Compose file')
    .option('--rmi <string>', 'Remove images used by services: "local" those without a custom tag, or "all"')
    .addOption(
      parsedOption('-t, --timeout <seconds>', 'Seconds in which containers have to stop', parseWholeNumber),
    )
    .option('-v, --volumes', 'Remove the volumes of the Compose file and anonymous ones')
    .action(async (services: readonly string[], flags: DownFlags) => {
      const images = flags.rmi === undefined ? undefined : oneOf('--rmi', flags.rmi, ['local', 'all']);
      context.selected(services);
      const { removeOrphans, timeout, volumes } = flags;
      await takeDown(await context.run(), context.namedProject(), {
        services,
        removeOrphans,
        timeout,
        volumes,
        images,
      });
    });
  return command;
}
