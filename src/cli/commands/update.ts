import { invalid } from '../../base/index.ts';
import type { PortMap } from '../../client/index.ts';
import type { Cli } from '../cli.ts';
import { containerLimits, type LimitFlags, limitOptions } from '../container/limits.ts';
import { parsePorts } from '../container/ports.ts';
import { CliCommand, listOption } from '../grammar.ts';
import { forEachTarget } from '../targets.ts';

export function updateCommand(cli: Cli, path: string): CliCommand {
  const command = new CliCommand(path, 'Update configuration of one or more containers');
  for (const option of limitOptions()) command.addOption(option);
  command
    .addOption(listOption('--publish-add <list>', "Publish a container's port(s) to the host"))
    .addOption(
      listOption('--publish-rm <list>', 'Withdraw a published port: 80, 53/udp, or 8080:80 for one place'),
    )
    .usage('[OPTIONS] CONTAINER [CONTAINER...]')
    .argument('<container...>')
    .action(async (containers: readonly string[], { publishAdd, publishRm, ...limits }: UpdateFlags) => {
      const ports = portChange(publishAdd, publishRm);
      if (Object.keys({ ...limits, ...ports }).length === 0) {
        throw invalid('you must provide one or more flags when using this command');
      }
      const client = await cli.connect();
      await forEachTarget(cli, containers, async (container) => {
        const change = { ...containerLimits(limits), RestartPolicy: limits.restart, ...ports };
        const { Warnings: warnings } = await client.containers.update(container, change);
        for (const warning of warnings ?? []) process.stderr.write(`WARNING: ${warning}\n`);
      });
    });
  return command;
}

interface UpdateFlags extends LimitFlags {
  readonly publishAdd: readonly string[];
  readonly publishRm: readonly string[];
}

/** The ports to publish and to withdraw, as the API takes them. */
export function portChange(add: readonly string[], remove: readonly string[]) {
  return {
    ...(add.length === 0 ? {} : { PublishAdd: parsePorts(add, []).bindings }),
    ...(remove.length === 0 ? {} : { PublishRemove: selections(remove) }),
  };
}

/** Written as for `-p`; a container's port alone means every place that it is published at. */
function selections(remove: readonly string[]): PortMap {
  const { bindings } = parsePorts(remove, []);
  return Object.fromEntries(
    Object.entries(bindings).map(([port, places]) => [
      port,
      places.every(({ HostIp = '', HostPort = '' }) => HostIp === '' && HostPort === '') ? [] : places,
    ]),
  );
}
