import { containersOf, type ObservedContainer } from '../../compose/index.ts';
import { containerRow } from '../commands/ps.ts';
import { CliCommand } from '../grammar.ts';
import { formatRows, type Row } from '../output/table.ts';
import type { ComposeContext } from './context.ts';

interface PsFlags {
  readonly all?: boolean;
  readonly format?: string;
  readonly quiet?: boolean;
  readonly services?: boolean;
  /** False for --no-trunc. */
  readonly trunc: boolean;
}

export function psCommand(context: ComposeContext, path: string): CliCommand {
  const command = new CliCommand(path, 'List containers');
  command
    .usage('[OPTIONS] [SERVICE...]')
    .argument('[services...]')
    .option('-a, --all', 'Show all stopped containers')
    .option('--format <string>', "Format output: 'table', 'table TEMPLATE', 'json' or a Go template")
    .option('--no-trunc', "Don't truncate output")
    .option('-q, --quiet', 'Only display IDs')
    .option('--services', 'Display services')
    .action((services: readonly string[], flags: PsFlags) => list(context, services, flags));
  return command;
}

const COLUMNS =
  'table {{.Name}}\\t{{.Image}}\\t{{.Command}}\\t{{.Service}}\\t{{.RunningFor}}\\t{{.Status}}\\t{{.Ports}}';

const HEADERS = {
  ID: 'CONTAINER ID',
  Name: 'NAME',
  Names: 'NAMES',
  Image: 'IMAGE',
  Command: 'COMMAND',
  Service: 'SERVICE',
  RunningFor: 'CREATED',
  CreatedAt: 'CREATED AT',
  Status: 'STATUS',
  State: 'STATE',
  Ports: 'PORTS',
  Project: 'PROJECT',
  ExitCode: 'EXIT CODE',
  Labels: 'LABELS',
  Mounts: 'MOUNTS',
  Networks: 'NETWORKS',
  Size: 'SIZE',
};

async function list(context: ComposeContext, services: readonly string[], flags: PsFlags): Promise<void> {
  const { client } = await context.run();
  const selected = context.selected(services);
  const containers = (await containersOf({ client }, selected)).filter(
    ({ state }) => flags.all === true || state === 'running' || state === 'restarting' || state === 'paused',
  );
  if (flags.services === true) {
    const names = [...new Set(containers.map(({ service }) => service))];
    process.stdout.write(names.map((name) => `${name}\n`).join(''));
    return;
  }
  if (flags.quiet === true) {
    process.stdout.write(containers.map(({ id }) => `${id}\n`).join(''));
    return;
  }
  const rows = containers.map((container) => rowOf(container, selected.project, flags.trunc));
  if (flags.format === 'json') {
    // Not by the template: there all values are texts, here the exit code is a number.
    process.stdout.write(
      rows.map((row) => `${JSON.stringify({ ...row, ExitCode: Number(row.ExitCode) })}\n`).join(''),
    );
    return;
  }
  process.stdout.write(formatRows(rows, { format: flags.format, defaultFormat: COLUMNS, headers: HEADERS }));
}

function rowOf({ summary, name, service }: ObservedContainer, project: string, truncate: boolean): Row {
  const { Label: _label, ...row } = containerRow(summary, truncate);
  return {
    ...row,
    Name: name,
    Service: service,
    Project: project,
    ExitCode: /^Exited \((\d+)\)/.exec(summary.Status)?.[1] ?? '0',
    Health: /\((?:health: )?(healthy|unhealthy|starting)\)/.exec(summary.Status)?.[1] ?? '',
    Publishers: summary.Ports.map((port) => ({
      URL: port.IP ?? '',
      TargetPort: port.PrivatePort,
      PublishedPort: port.PublicPort ?? 0,
      Protocol: port.Type,
    })),
  };
}
