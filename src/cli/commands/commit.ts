import type { Cli } from '../cli.ts';
import { CliCommand, listOption } from '../grammar.ts';

interface CommitFlags {
  readonly author?: string;
  readonly change: readonly string[];
  readonly message?: string;
  readonly pause: boolean;
}

export function commitCommand(cli: Cli, path: string): CliCommand {
  const command = new CliCommand(path, "Create a new image from a container's changes");
  command
    .usage('[OPTIONS] CONTAINER [REPOSITORY[:TAG]]')
    .argument('<container>')
    .argument('[repository]')
    .option('-a, --author <string>', 'Author (e.g., "John Hannibal Smith <hannibal@a-team.com>")')
    .addOption(listOption('-c, --change <list>', 'Apply Dockerfile instruction to the created image'))
    .option('-m, --message <string>', 'Commit message')
    .option('-p, --pause', 'Pause container during commit', true)
    .option('--no-pause', 'Do not pause the container during commit')
    .action(async (container: string, repository: string | undefined, flags: CommitFlags) => {
      const { containers } = await cli.connect();
      const id = await containers.commit(container, {
        ...(repository === undefined ? {} : { name: repository }),
        author: flags.author,
        comment: flags.message,
        changes: flags.change,
        pause: flags.pause,
      });
      process.stdout.write(`${id}\n`);
    });
  return command;
}
