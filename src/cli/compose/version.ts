import { COMPOSE_VERSION } from '../../compose/index.ts';
import { versionLine } from '../commands/version.ts';
import { CliCommand } from '../grammar.ts';
import type { ComposeContext } from './context.ts';

/** Scripts look for the words and the version of Docker Compose: the one whose behaviour this is. */
export function versionCommand(_context: ComposeContext, path: string): CliCommand {
  const command = new CliCommand(path, 'Show the version information');
  command
    .usage('[OPTIONS]')
    .option('--short', "Show only Compose's version number")
    .action(({ short }: { short?: boolean }) => {
      const version = `v${COMPOSE_VERSION}`;
      const line = `Docker Compose version ${version}, by ${versionLine('berth')}`;
      process.stdout.write(`${short === true ? COMPOSE_VERSION : line}\n`);
    });
  return command;
}
