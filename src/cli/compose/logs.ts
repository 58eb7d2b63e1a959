import { parseMoment } from '../../base/index.ts';
import { containersOf, showLogs } from '../../compose/index.ts';
import { CliCommand } from '../grammar.ts';
import type { ComposeContext } from './context.ts';

interface LogsFlags {
  /** False for --no-color. */
  readonly color: boolean;
  readonly follow?: boolean;
  /** False for --no-log-prefix. */
  readonly logPrefix: boolean;
  readonly since?: string;
  readonly tail: string;
  readonly timestamps?: boolean;
  readonly until?: string;
}

export function logsCommand(context: ComposeContext, path: string): CliCommand {
  const command = new CliCommand(path, 'View output from containers');
  command
    .usage('[OPTIONS] [SERVICE...]')
    .argument('[services...]')
    .option('-f, --follow', 'Follow log output')
    .option('--no-color', 'Produce monochrome output')
    .option('--no-log-prefix', "Don't print prefix in logs")
    .option(
      '--since <string>',
      'Show logs since timestamp (e.g. 2013-01-02T13:23:37Z) or relative (e.g. 42m)',
    )
    .option(
      '-n, --tail <string>',
      'Number of lines to show from the end of the logs for each container',
      'all',
    )
    .option('-t, --timestamps', 'Show timestamps')
    .option('--until <string>', 'Show logs before a timestamp or relative')
    .action((services: readonly string[], flags: LogsFlags) => logs(context, services, flags));
  return command;
}

async function logs(context: ComposeContext, services: readonly string[], flags: LogsFlags): Promise<void> {
  const { follow, tail, timestamps, since, until, logPrefix: prefix, color: colour } = flags;
  const { client } = await context.run();
  const selected = context.selected(services);
  const containers = await containersOf({ client }, selected);
  await showLogs(client, selected.project, containers, context.logLines({ prefix, colour }), {
    ...{ follow, tail, timestamps },
    since: since === undefined ? undefined : parseMoment(since),
    until: until === undefined ? undefined : parseMoment(until),
  });
}
