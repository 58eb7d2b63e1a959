import type { Cli } from '../cli.ts';
import { CliCommand } from '../grammar.ts';
import { alignColumns } from '../output/table.ts';

export function topCommand(cli: Cli, path: string): CliCommand {
  const command = new CliCommand(path, 'Display the running processes of a container', {
    interspersed: false,
  });
  command
    .usage('CONTAINER [ps OPTIONS]')
    .argument('<container>')
    .argument('[options...]')
    .action(async (container: string, options: readonly string[]) => {
      const { Titles, Processes } = await (await cli.connect()).containers.top(
        container,
        options.length === 0 ? {} : { psOptions: options.join(' ') },
      );
      process.stdout.write(alignColumns([Titles, ...Processes].map((row) => row.join('\t'))));
    });
  return command;
}
