import { invalid } from '../../base/index.ts';
import type { Cli } from '../cli.ts';
import { containerLimits, type LimitFlags, limitOptions } from '../container/limits.ts';
import { CliCommand } from '../grammar.ts';
import { forEachTarget } from '../targets.ts';

export function updateCommand(cli: Cli, path: string): CliCommand {
  const command = new CliCommand(path, 'Update configuration of one or more containers');
  for (const option of limitOptions()) command.addOption(option);
  command
    .usage('[OPTIONS] CONTAINER [CONTAINER...]')
    .argument('<container...>')
    .action(async (containers: readonly string[], flags: LimitFlags) => {
      if (Object.keys(flags).length === 0) {
        throw invalid('you must provide one or more flags when using this command');
      }
      const client = await cli.connect();
      await forEachTarget(cli, containers, async (container) => {
        const change = { ...containerLimits(flags), RestartPolicy: flags.restart };
        const { Warnings: warnings } = await client.containers.update(container, change);
        for (const warning of warnings ?? []) process.stderr.write(`WARNING: ${warning}\n`);
      });
    });
  return command;
}
