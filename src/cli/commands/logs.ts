import { parseMoment } from '../../base/index.ts';
import { copyOutput } from '../../client/index.ts';
import type { Cli } from '../cli.ts';
import { CliCommand, parsedOption } from '../grammar.ts';

interface LogsFlags {
  readonly details?: boolean;
  readonly follow?: boolean;
  readonly since?: string;
  readonly tail: string;
  readonly timestamps?: boolean;
  readonly until?: string;
}

export function logsCommand(cli: Cli, path: string): CliCommand {
  const command = new CliCommand(path, 'Fetch the logs of a container');
  command
    .usage('[OPTIONS] CONTAINER')
    .argument('<container>')
    .option('--details', 'Show extra details provided to logs')
    .option('-f, --follow', 'Follow log output')
    .addOption(
      parsedOption(
        '--since <string>',
        'Show logs since timestamp (2013-01-02T13:23:37Z) or relative (42m)',
        parseMoment,
      ),
    )
    .option('-n, --tail <string>', 'Number of lines to show from the end of the logs', 'all')
    .option('-t, --timestamps', 'Show timestamps')
    .addOption(
      parsedOption(
        '--until <string>',
        'Show logs before a timestamp (2013-01-02T13:23:37Z) or relative (42m)',
        parseMoment,
      ),
    )
    .action(async (container: string, flags: LogsFlags) => {
      const client = await cli.connect();
      await copyOutput(await client.containers.logs(container, { ...flags }), process.stdout, process.stderr);
    });
  return command;
}
