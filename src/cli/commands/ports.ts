import type { EngineClient, PortPassage, PortReport } from '../../client/index.ts';
import type { Cli } from '../cli.ts';
import { joinHostPort } from '../container/port-list.ts';
import { askExtension } from '../extension.ts';
import { CliCommand } from '../grammar.ts';
import { alignColumns } from '../output/table.ts';

/** `ports`: who gets to each published port. */
export function portsCommand(cli: Cli, path: string): CliCommand {
  const command = new CliCommand(path, 'Show who reaches each published port, and what stops the others');
  command
    .usage('[CONTAINER...]')
    .argument('[container...]')
    .action(async (containers: readonly string[]) => {
      const reports = await reportsOf(await cli.connect(), containers);
      process.stdout.write(portsTable(reports));
    });
  return command;
}

function reportsOf(client: EngineClient, containers: readonly string[]): Promise<readonly PortReport[]> {
  return askExtension('this engine does not look at who reaches its ports', () =>
    client.containers.publishedPorts(containers),
  );
}

/** One line for each port. */
export function portsTable(reports: readonly PortReport[]): string {
  const rows = reports.map((report) =>
    [
      report.Container.Name,
      `${report.ContainerPort}/${report.Protocol}`,
      joinHostPort(report.HostIp, String(report.HostPort)),
      reachedBy(report),
    ].join('\t'),
  );
  return alignColumns(['CONTAINER\tPORT\tPUBLISHED AT\tREACHED BY', ...rows]);
}

function reachedBy({ Host, Neighbours, Listening, ContainerPort }: PortReport): string {
  const who = [
    ...(Host.Reached === 'no' ? [] : ['this host']),
    ...(Neighbours === null || Neighbours.Reached === 'no' ? [] : ['other hosts']),
  ];
  const remarks = [
    ...remark('this host', Host),
    ...(Neighbours === null ? [] : remark('other hosts', Neighbours)),
    ...(Listening === false ? [`nothing listens on ${ContainerPort} in the container`] : []),
  ];
  return [who.length === 0 ? 'nobody' : who.join(', '), ...remarks].join('; ');
}

function remark(who: string, { Reached, StoppedBy }: PortPassage): string[] {
  if (StoppedBy === undefined) return [];
  const where = `of chain ${StoppedBy.Chain} in table ${StoppedBy.Table}`;
  const what = StoppedBy.Rule === null ? `the policy ${where}` : `the rule "${StoppedBy.Rule}" ${where}`;
  return [`${Reached === 'no' ? 'stopped' : 'perhaps stopped'} for ${who} by ${what}`];
}
