import { invalid } from '../../base/index.ts';
import { CliCommand, listOption } from '../grammar.ts';

/** Options before the command's name. */
export interface ComposeOptions {
  readonly file: readonly string[];
  readonly projectName: string | undefined;
  readonly projectDirectory: string | undefined;
  readonly profile: readonly string[];
  readonly envFile: readonly string[];
  readonly ansi: 'auto' | 'always' | 'never';
  readonly progress: 'auto' | 'tty' | 'plain' | 'quiet';
}

/** The grammar of what stands between `compose` and the command's name. */
export function composeOptionsCommand(path: string): CliCommand {
  const command = new CliCommand(path, 'Define and run applications of several containers', {
    interspersed: false,
  });
  command
    .argument('[words...]')
    .usage('[OPTIONS] COMMAND')
    .option('--ansi <string>', 'Control when to print ANSI control characters: never, always, auto', 'auto')
    .addOption(listOption('--env-file <file>', 'Specify an alternate environment file'))
    .addOption(listOption('-f, --file <file>', 'Compose configuration files'))
    .addOption(listOption('--profile <name>', 'Specify a profile to enable'))
    .option('--progress <string>', 'Type of progress output: auto, tty, plain, quiet', 'auto')
    .option('--project-directory <folder>', 'Where relative paths start from (default: the first file)')
    .option('-p, --project-name <string>', 'Project name')
    .action(() => {});
  return command;
}

/** What was given. Throws `invalid` for a value that is none of those allowed. */
export function readComposeOptions(command: CliCommand): ComposeOptions {
  const options = command.opts<{
    file: string[];
    projectName?: string;
    projectDirectory?: string;
    profile: string[];
    envFile: string[];
    ansi: string;
    progress: string;
  }>();
  return {
    ...options,
    projectName: options.projectName,
    projectDirectory: options.projectDirectory,
    ansi: oneOf('--ansi', options.ansi, ['auto', 'always', 'never']),
    progress: oneOf('--progress', options.progress, ['auto', 'tty', 'plain', 'quiet']),
  };
}

/** The value as one of those that an option takes. Throws `invalid`. */
export function oneOf<T extends string>(flag: string, value: string, values: readonly T[]): T {
  const known = values.find((candidate) => candidate === value);
  if (known === undefined) throw invalid(`${flag} is one of ${values.join(', ')}, not "${value}"`);
  return known;
}
