import type { Cli } from '../cli.ts';
import { CliCommand } from '../grammar.ts';
import { writeArchive } from '../output/archive.ts';

/** The letters of the API's kinds of change: changed, added, deleted. */
const LETTERS = ['C', 'A', 'D'];

export function diffCommand(cli: Cli, path: string): CliCommand {
  const command = new CliCommand(path, "Inspect changes to files or directories on a container's filesystem");
  command
    .usage('CONTAINER')
    .argument('<container>')
    .action(async (container: string) => {
      const changes = await (await cli.connect()).files.changes(container);
      for (const { Path, Kind } of changes) process.stdout.write(`${LETTERS[Kind]} ${Path}\n`);
    });
  return command;
}

export function exportCommand(cli: Cli, path: string): CliCommand {
  const command = new CliCommand(path, "Export a container's filesystem as a tar archive");
  command
    .usage('[OPTIONS] CONTAINER')
    .argument('<container>')
    .option('-o, --output <string>', 'Write to a file, instead of STDOUT')
    .action(async (container: string, { output }: { output?: string }) => {
      await writeArchive(async () => (await cli.connect()).files.export(container), output);
    });
  return command;
}
