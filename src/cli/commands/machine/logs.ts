import { parseMoment } from '../../../base/index.ts';
import { copyOutput } from '../../../client/index.ts';
import type { Cli } from '../../cli.ts';
import { CliCommand, parsedOption } from '../../grammar.ts';

interface LogsFlags {
  readonly follow?: boolean;
  readonly since?: string;
  readonly tail: string;
  readonly timestamps?: boolean;
  readonly until?: string;
}

export function machineLogsCommand(cli: Cli, path: string): CliCommand {
  const command = new CliCommand(path, 'Show what came from the console of a machine');
  const moment = (flags: string, which: string) =>
    parsedOption(
      flags,
      `Show what came ${which} a timestamp (2013-01-02T13:23:37Z) or relative (42m)`,
      parseMoment,
    );
  command
    .usage('[OPTIONS] MACHINE')
    .argument('<machine>')
    .option('-f, --follow', 'Go on with what comes, until the machine ends')
    .addOption(moment('--since <string>', 'since'))
    .option('-n, --tail <string>', 'Number of lines to show from the end', 'all')
    .option('-t, --timestamps', 'Show timestamps')
    .addOption(moment('--until <string>', 'before'))
    .action(async (machine: string, flags: LogsFlags) => {
      const client = await cli.connect();
      await copyOutput(await client.machines.logs(machine, { ...flags }), process.stdout, process.stderr);
    });
  return command;
}
